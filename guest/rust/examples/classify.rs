//! Classifies raw RGB pixels with a model that takes `f32` [1, 3, H, W] of 0 to 1.
//!
//! ```sh
//! cargo build --release --target wasm32-wasip1 --example classify
//! python -m host run classify.wasm --graph squeezenet=FOLDER --dir PHOTOS::/photos -- \
//!     squeezenet 227 227 /photos/a.rgb
//! ```

use std::error::Error;
use wasinn::image::{normalise_chw, Image};
use wasinn::math::{top_k, Score};
use wasinn::{Graph, Tensor};

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, name, width, height, file] = arguments.as_slice() else {
        return Err("usage: classify NAME WIDTH HEIGHT FILE".into());
    };
    let (width, height): (u32, u32) = (width.parse()?, height.parse()?);
    let pixels = std::fs::read(file)?;

    let image = Image::new(width.try_into()?, height.try_into()?, 3, &pixels)?;
    let mut input = vec![0.0_f32; pixels.len()];
    normalise_chw(image, &[0.0; 3], &[255.0; 3], &mut input)?;

    let mut context = Graph::load_by_name(name)?.init_execution_context()?;
    context.run(&[Tensor::new(&[1, 3, height, width], &input)?.into()])?;
    let scores: Vec<f32> = context.get_output_vec(0)?;

    let mut best = [Score::default(); 5];
    for Score { index, score } in top_k(&scores, &mut best) {
        println!("{index:4}  {score:.3}");
    }
    Ok(())
}
