//! Says what kind of file each file is, from its content alone: a WASI-NN guest that makes the integers Magika
//! wants of a file's first and last bytes. The README beside it has the commands.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::process::ExitCode;

use wasinn::math::argmax;
use wasinn::{ExecutionContext, ExecutionTarget, Graph, GraphBuilder, GraphEncoding, Tensor};

const USAGE: &str = "\
usage: filetype [--name NAME] MODEL_DIR FILE...

Print what kind of file each FILE is.

  MODEL_DIR    a folder with labels.txt, and magika.onnx, whose bytes the guest loads
  --name NAME  use the model that the host's operator registered under NAME instead of magika.onnx

All paths are the guest's. Exit codes: 0, 1 for a failure, 2 for bad usage.
";

/// How many bytes of each end the model sees, after white space there is gone, of how many that are read.
const EDGE: usize = 1024;
const BLOCK: u64 = 4096;
/// What stands where there is no byte.
const PADDING: i32 = 256;
/// The model was not trained with less.
const SHORTEST: usize = 8;
/// Neither the model nor its labels are larger.
const MAX_FILE: u64 = 64 << 20;

struct Classifier {
    context: ExecutionContext,
    labels: Vec<String>,
    input: [i32; 2 * EDGE],
    scores: Vec<f32>,
}

impl Classifier {
    fn load(name: Option<&str>, folder: &str) -> Result<Self, String> {
        let graph = match name {
            Some(name) => Graph::load_by_name(name),
            // Not `build_from_files`: this guest has a function that reads anyway, and wants to be small.
            None => GraphBuilder::new(GraphEncoding::ONNX, ExecutionTarget::CPU)
                .build_from_bytes([read(&format!("{folder}/magika.onnx"), Part::Whole)?]),
        };
        let context = graph.and_then(|graph| graph.init_execution_context());
        let context = context.map_err(|error| format!("cannot load the model: {error}"))?;
        let labels = read(&format!("{folder}/labels.txt"), Part::Whole)?;
        let labels: Vec<_> = String::from_utf8_lossy(&labels).lines().map(shown).collect();
        let scores = vec![0.0; labels.len()];
        Ok(Self { context, labels, input: [PADDING; 2 * EDGE], scores })
    }

    /// The kind of a file, and the model's score for it in percent.
    fn classify(&mut self, path: &str) -> Result<(&str, u32), String> {
        // The same bytes twice when the file is short.
        let (first, last) = (read(path, Part::First)?, read(path, Part::Last)?);
        if !fill(&first, &last, &mut self.input) {
            return Err(format!(
                "cannot tell what {} is: it has under {SHORTEST} bytes behind leading white space",
                shown(path)
            ));
        }
        let ran = Tensor::new(&[1, 2 * EDGE as u32], &self.input)
            .and_then(|input| self.context.run(&[input.into()]))
            .and_then(|()| self.context.get_output_into(0, &mut self.scores));
        let count = ran.map_err(|error| format!("cannot run the model on {}: {error}", shown(path)))?;
        match argmax(&self.scores) {
            Some(best) if count == self.labels.len() && (0.0..=1.0).contains(&self.scores[best]) => {
                Ok((&self.labels[best], (100.0 * self.scores[best] + 0.5) as u32))
            }
            _ => Err("cannot use the model: it has no number from 0 to 1 for each label".into()),
        }
    }
}

/// Lays out what the model sees: the first bytes, padded behind, then the last, padded before. False when there
/// are too few.
fn fill(first: &[u8], last: &[u8], input: &mut [i32; 2 * EDGE]) -> bool {
    let first = &first[first.iter().take_while(|byte| is_blank(**byte)).count()..];
    let last = &last[..last.len() - last.iter().rev().take_while(|byte| is_blank(**byte)).count()];
    input.fill(PADDING);
    for (value, byte) in input.iter_mut().take(EDGE).zip(first) {
        *value = (*byte).into();
    }
    for (value, byte) in input.iter_mut().rev().take(EDGE).zip(last.iter().rev()) {
        *value = (*byte).into();
    }
    first.len() >= SHORTEST
}

/// White space as Python's `bytes.strip` has it, which the model was trained with.
fn is_blank(byte: u8) -> bool {
    byte == b' ' || (b'\t'..=b'\r').contains(&byte)
}

/// What to read of a file; of a short one each of them is all there is.
#[derive(Clone, Copy, PartialEq)]
enum Part {
    Whole,
    First,
    Last,
}

fn read(path: &str, part: Part) -> Result<Vec<u8>, String> {
    let mut data = Vec::new();
    let read = File::open(path).and_then(|mut file| {
        if part == Part::Last {
            let size = file.seek(SeekFrom::End(0))?;
            file.seek(SeekFrom::Start(size.saturating_sub(BLOCK)))?;
        }
        file.take(if part == Part::Whole { MAX_FILE + 1 } else { BLOCK }).read_to_end(&mut data)
    });
    let failed = |why: &str| format!("cannot read {}: {why}", shown(path));
    read.map_err(|error| failed(&error.to_string()))?;
    if data.len() as u64 > MAX_FILE {
        return Err(failed("it has over 64 MiB"));
    }
    Ok(data)
}

/// A text with what could drive a terminal or turn the direction of writing shown, not sent.
fn shown(text: &str) -> String {
    let is_unsafe = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_unsafe(c) { '?' } else { c }).collect()
}

fn run(name: Option<&str>, folder: &str, files: &[&str]) -> Result<bool, String> {
    let mut classifier = Classifier::load(name, folder)?;
    let mut is_done = true;
    for path in files {
        match classifier.classify(path) {
            Ok((label, percent)) => print(&format!("{label} {percent}%  {}\n", shown(path)))?,
            Err(error) => {
                eprintln!("filetype: {error}");
                is_done = false;
            }
        }
    }
    Ok(is_done)
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
        ["--help"] => print(USAGE).map(|()| true),
        ["--name", name, folder, _, ..] => run(Some(name), folder, &words[3..]),
        [folder, _, ..] if !folder.starts_with("--") => run(None, folder, &words[1..]),
        _ => {
            eprintln!("filetype: MODEL_DIR and a FILE are needed; `filetype --help` shows the usage");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("filetype: {error}");
            ExitCode::FAILURE
        }
    }
}
