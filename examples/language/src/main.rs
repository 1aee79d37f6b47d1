//! Says which language each line of a text is in: a WASI-NN guest that makes the n-gram frequencies lande's network
//! wants. The README beside it has the commands.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::process::ExitCode;

use wasinn::math::{top_k, Score};
use wasinn::{Error, ExecutionContext, ExecutionTarget, Graph, GraphBuilder, GraphEncoding, Tensor};

const USAGE: &str = "\
usage: language [--name NAME] MODEL_DIR FILE

Print the language of each line of FILE, a text in UTF-8, as its code of three letters (ISO 639-3).

  MODEL_DIR    a folder with ngrams.txt, labels.txt, and model.xml and model.bin, whose bytes the guest loads
  --name NAME  use the model that the host's operator registered under NAME instead of model.xml

All paths are the guest's. Exit codes: 0, 1 for a failure, 2 for bad usage.
";

/// N-grams have one to so many characters.
const LONGEST: usize = 4;
/// Texts and lists are not larger.
const MAX_TEXT: u64 = 16 << 20;

struct Classifier {
    context: ExecutionContext,
    /// Where in the input the frequency of an n-gram goes.
    ngrams: BTreeMap<Vec<char>, usize>,
    labels: Vec<String>,
    input: Vec<f32>,
    scores: Vec<f32>,
}

impl Classifier {
    fn load(name: Option<&str>, folder: &str) -> Result<Self, String> {
        let lines = |file| -> Result<Vec<String>, String> {
            Ok(read_text(&format!("{folder}/{file}"))?.lines().map(str::to_owned).collect())
        };
        let (ngrams, labels) = (lines("ngrams.txt")?, lines("labels.txt")?);
        let graph = match name {
            Some(name) => Graph::load_by_name(name),
            None => GraphBuilder::new(GraphEncoding::OPENVINO, ExecutionTarget::CPU)
                .build_from_files([format!("{folder}/model.xml"), format!("{folder}/model.bin")]),
        };
        let context = graph.and_then(|graph| graph.init_execution_context());
        Ok(Self {
            context: context.map_err(|error| format!("cannot load the model: {error}"))?,
            input: vec![0.0; ngrams.len()],
            scores: vec![0.0; labels.len()],
            ngrams: ngrams.iter().map(|ngram| ngram.chars().collect()).zip(0..).collect(),
            labels,
        })
    }

    /// The language of a text and the model's score for it in percent; `None` for a text without letters.
    fn classify(&mut self, text: &str) -> Result<Option<(&str, u32)>, String> {
        let text = normalise(text);
        if text.iter().all(|c| c.is_whitespace()) {
            return Ok(None);
        }
        self.fill(&text);
        let count = self.run().map_err(|error| format!("cannot run the model: {error}"))?;
        let mut best = [Score::default()];
        match top_k(&self.scores, &mut best) {
            [best] if count == self.labels.len() && (0.0..=1.0).contains(&best.score) => {
                Ok(Some((&self.labels[best.index], (100.0 * best.score + 0.5) as u32)))
            }
            _ => Err("cannot use the model: it has no number from 0 to 1 for each label".into()),
        }
    }

    /// How often each n-gram is among all of its length.
    fn fill(&mut self, text: &[char]) {
        self.input.fill(0.0);
        for length in 1..=LONGEST.min(text.len()) {
            let windows = text.windows(length);
            let count = windows.len() as f32;
            for window in windows {
                if let Some(&index) = self.ngrams.get(window) {
                    self.input[index] += 1.0;
                }
            }
            for (ngram, &index) in &self.ngrams {
                if ngram.len() == length {
                    self.input[index] /= count;
                }
            }
        }
    }

    fn run(&mut self) -> Result<usize, Error> {
        self.context.run(&[Tensor::new(&[1, self.input.len() as u32], &self.input)?.into()])?;
        self.context.get_output_into(0, &mut self.scores)
    }
}

/// A text as the network was trained with it: letters and marks only, in lower case, a space at each end, where
/// hyphens are spaces and of several blanks one space is left.
fn normalise(text: &str) -> Vec<char> {
    let mut kept = String::new();
    let mut blanks = 0;
    for c in text.chars().map(|c| if c == '-' { ' ' } else { c }) {
        if c.is_whitespace() {
            blanks += 1;
            if blanks == 2 {
                kept.pop();
            }
            if blanks <= 2 {
                kept.push(if blanks == 1 { c } else { ' ' });
            }
        } else if (c.is_alphabetic() && !c.is_numeric()) || is_mark(c) {
            blanks = 0;
            kept.push(c);
        }
    }
    format!(" {} ", kept.to_lowercase().trim()).chars().collect()
}

/// The marks that are no letters to `is_alphabetic`, in the scripts of the languages that the network knows.
fn is_mark(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' // Latin, Greek; Cyrillic
        | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}' | '\u{5c2}' | '\u{5c4}' | '\u{5c5}' | '\u{5c7}' // Hebrew
        | '\u{610}'..='\u{61a}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6dc}' // Arabic
        | '\u{6df}'..='\u{6e4}' | '\u{6e7}' | '\u{6e8}' | '\u{6ea}'..='\u{6ed}'
        | '\u{93c}' | '\u{94d}' | '\u{951}'..='\u{954}' // Devanagari
        | '\u{9bc}' | '\u{9cd}' | '\u{9fe}' // Bengali
        | '\u{3099}' | '\u{309a}') // Japanese
}

fn read_text(path: &str) -> Result<String, String> {
    let mut data = Vec::new();
    let read = File::open(path).and_then(|file| file.take(MAX_TEXT + 1).read_to_end(&mut data));
    let failed = |why: &str| format!("cannot read {}: {why}", shown(path));
    read.map_err(|error| failed(&error.to_string()))?;
    if data.len() as u64 > MAX_TEXT {
        return Err(failed("it has over 16 MiB"));
    }
    String::from_utf8(data).map_err(|_| failed("it is not UTF-8"))
}

/// A text with what could drive a terminal or turn the direction of writing shown, not sent.
fn shown(text: &str) -> String {
    let is_unsafe = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    };
    text.chars().map(|c| if is_unsafe(c) { '?' } else { c }).collect()
}

fn run(name: Option<&str>, folder: &str, file: &str) -> Result<(), String> {
    let text = read_text(file)?;
    let mut classifier = Classifier::load(name, folder)?;
    let mut is_empty = true;
    for line in text.lines() {
        if let Some((label, percent)) = classifier.classify(line)? {
            is_empty = false;
            print(&format!("{label} {percent:3}%  {}\n", shown(line)))?;
        }
    }
    if is_empty {
        return Err(format!("cannot tell the language of {}: there are no letters in it", shown(file)));
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
        ["--name", name, folder, file] => run(Some(name), folder, file),
        [folder, file] if !folder.starts_with("--") => run(None, folder, file),
        _ => {
            eprintln!("language: MODEL_DIR and FILE are needed; `language --help` shows the usage");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("language: {error}");
            ExitCode::FAILURE
        }
    }
}
