//! Says what is on a photo: a WASI-NN guest that reads a binary PPM file, prepares the tensor that SqueezeNet
//! wants, runs the model and prints the five best classes. The README beside it has the commands.

use std::fs::File;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use wasinn::image::{normalise_chw, resize_area, swap_rgb_bgr, Image, ImageMut};
use wasinn::math::{top_k, Score};
use wasinn::{Error, ExecutionTarget, Graph, GraphBuilder, GraphEncoding, Tensor};

const USAGE: &str = "\
usage: photo [--name NAME] MODEL_DIR IMAGE

Print the five classes that fit an image in a binary PPM file (P6) best.

  MODEL_DIR    a folder with labels.txt, and model.xml and model.bin, whose bytes the guest loads
  --name NAME  use the model that the host's operator registered under NAME instead of model.xml

All paths are the guest's. Exit codes: 0, 1 for a failure, 2 for bad usage.
";

/// The model sees a square of this many pixels a side, from the middle of the photo scaled to this shorter side.
const SIDE: usize = 227;
const SHORTER_SIDE: usize = 256;
/// The mean of blue, green and red over the pictures the model was trained with; they were taken off there, too.
const MEAN: [f32; 3] = [104.0, 117.0, 123.0];
const CLASSES: usize = 1000;
const MAX_FILE: u64 = 256 << 20;

/// Width, height and samples of a PPM: `P6`, the two and 255 as text, one blank, RGB bytes in rows.
fn parse_ppm(file: &[u8]) -> Option<(usize, usize, &[u8])> {
    let mut rest = file.strip_prefix(b"P6")?;
    let mut numbers = [0_usize; 3];
    for number in &mut numbers {
        rest = after_blanks(rest)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (text, behind) = rest.split_at(digits);
        *number = std::str::from_utf8(text).ok()?.parse().ok()?;
        rest = behind;
    }
    let [width, height, maximum] = numbers;
    let (blank, samples) = rest.split_first()?;
    let size = width.checked_mul(height)?.checked_mul(3)?;
    (maximum == 255 && blank.is_ascii_whitespace()).then_some(())?;
    Some((width, height, samples.get(..size)?))
}

/// What follows blanks and comments, of which there must be some.
fn after_blanks(text: &[u8]) -> Option<&[u8]> {
    let mut rest = text;
    loop {
        match rest.split_first()? {
            (b'#', comment) => rest = &comment[comment.iter().position(|byte| *byte == b'\n')?..],
            (blank, behind) if blank.is_ascii_whitespace() => rest = behind,
            _ => return (rest.len() < text.len()).then_some(rest),
        }
    }
}

/// The model's input, [3, SIDE, SIDE] with the blue plane first: the middle of the photo, scaled.
fn prepare(width: usize, height: usize, rgb: &[u8]) -> Result<Vec<f32>, Error> {
    // The same as scaling the whole photo and cutting then, for less work.
    let side = (width.min(height) * SIDE).div_ceil(SHORTER_SIDE);
    let photo = Image::new(width, height, 3, rgb)?;
    let middle = photo.crop((width - side) / 2, (height - side) / 2, side, side)?;
    let mut pixels = vec![0; 3 * SIDE * SIDE];
    resize_area(middle, ImageMut::new(SIDE, SIDE, 3, &mut pixels)?)?;
    let mut scaled = ImageMut::new(SIDE, SIDE, 3, &mut pixels)?;
    swap_rgb_bgr(&mut scaled)?;
    let mut input = vec![0.0; 3 * SIDE * SIDE];
    normalise_chw(scaled.view(), &MEAN, &[1.0; 3], &mut input)?;
    Ok(input)
}

fn classify(name: Option<&str>, folder: &str, input: &[f32]) -> Result<Vec<f32>, Error> {
    let graph = match name {
        Some(name) => Graph::load_by_name(name)?,
        None => GraphBuilder::new(GraphEncoding::OPENVINO, ExecutionTarget::CPU)
            .build_from_files([format!("{folder}/model.xml"), format!("{folder}/model.bin")])?,
    };
    let mut context = graph.init_execution_context()?;
    context.run(&[Tensor::new(&[1, 3, SIDE as u32, SIDE as u32], input)?.into()])?;
    context.get_output_vec(0)
}

fn read(path: &str) -> Result<Vec<u8>, String> {
    let mut data = Vec::new();
    match File::open(path).and_then(|file| file.take(MAX_FILE + 1).read_to_end(&mut data)) {
        Err(error) => Err(format!("cannot read {path:?}: {error}")),
        Ok(_) if data.len() as u64 > MAX_FILE => Err(format!("cannot read {path:?}: it has over 256 MiB")),
        Ok(_) => Ok(data),
    }
}

/// A text with what could drive a terminal or turn the direction of writing shown, not sent.
fn shown(text: &str) -> String {
    let is_unsafe = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_unsafe(c) { '?' } else { c }).collect()
}

fn run(name: Option<&str>, folder: &str, path: &str) -> Result<(), String> {
    let file = read(path)?;
    let (width, height, rgb) = parse_ppm(&file)
        .ok_or_else(|| format!("cannot decode {path:?}: it is no PPM (P6, 255), or it ends early"))?;
    let input = prepare(width, height, rgb).map_err(|error| format!("cannot scale {path:?}: {error}"))?;
    let labels = String::from_utf8(read(&format!("{folder}/labels.txt"))?).unwrap_or_default();
    let labels: Vec<&str> = labels.lines().collect();
    let scores = classify(name, folder, &input).map_err(|error| format!("cannot run the model: {error}"))?;
    // Names that do not belong to this model would make a wrong answer look right.
    if scores.len() != CLASSES || labels.len() != CLASSES {
        return Err("cannot use the model: it does not have 1000 classes and a label for each".into());
    }
    let mut room = [Score::default(); 5];
    let five = top_k(&scores, &mut room);
    if !five.iter().all(|best| (0.0..=1.0).contains(&best.score)) {
        return Err("cannot use the model: its scores are not from 0 to 1".into());
    }
    for (place, best) in (1..).zip(five) {
        print(&format!("{place:3}  {:5.1}%  {}\n", 100.0 * best.score, shown(labels[best.index])))?;
    }
    Ok(())
}

fn print(text: &str) -> Result<(), String> {
    // Not `print!`, which panics when nobody takes the text.
    io::stdout().write_all(text.as_bytes()).map_err(|error| format!("cannot write the answer: {error}"))
}

fn main() -> ExitCode {
    let words: Vec<String> =
        std::env::args_os().skip(1).map(|word| word.to_string_lossy().into_owned()).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let done = match *words.as_slice() {
        ["--help"] => print(USAGE),
        ["--name", name, folder, image] => run(Some(name), folder, image),
        [folder, image] if !folder.starts_with("--") => run(None, folder, image),
        _ => {
            eprintln!("photo: MODEL_DIR and IMAGE are needed; `photo --help` shows the usage");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("photo: {error}");
            ExitCode::FAILURE
        }
    }
}
