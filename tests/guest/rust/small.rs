//! A guest without `std`, allocator or WASI: an export that normalises a picture, runs a model and gives a
//! class.
#![no_std]
#![no_main]

use wasinn::image::{normalise_chw, Image};
use wasinn::{math, Error, Graph, Tensor};

#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    core::arch::wasm32::unreachable()
}

#[no_mangle]
extern "C" fn classify() -> i32 {
    best().map_or(-1, |class| class as i32)
}

fn best() -> Result<usize, Error> {
    let pixels = [7_u8; 8 * 8 * 3];
    let mut input = [0.0_f32; 8 * 8 * 3];
    normalise_chw(Image::new(8, 8, 3, &pixels)?, &[0.0; 3], &[255.0; 3], &mut input)?;
    let mut context = Graph::load_by_name("m")?.init_execution_context()?;
    context.run(&[Tensor::new(&[1, 3, 8, 8], &input)?.into()])?;
    let mut scores = [0.0_f32; 10];
    let count = context.get_output_into(0, &mut scores)?;
    math::softmax(&mut scores[..count]);
    math::argmax(&scores[..count]).ok_or(Error::TooLarge)
}
