//! Doubles tensors of the types it is told, with the models /models/TYPE.xml of y = x + x for [3].

use std::fmt::Debug;
use wasinn::{Element, Error, ExecutionTarget, GraphBuilder, GraphEncoding, Tensor, F16};

fn main() -> Result<(), Error> {
    for name in std::env::args().skip(1) {
        match name.as_str() {
            "u8" => double(&name, [1_u8, 100, 127])?,
            "i32" => double(&name, [-1_i32, 1 << 20, 0])?,
            "i64" => double(&name, [-1_i64, 1 << 29, 0])?,
            "f16" => double(&name, [F16::from(0.1), F16::from(-3.5), F16::from(1e-7)])?,
            "f32" => double(&name, [0.1_f32, -3.5, 1e-30])?,
            _ => double(&name, [0.25_f64, -3.5, 0.75])?,
        }
    }
    Ok(())
}

fn double<T: Element + Debug>(name: &str, values: [T; 3]) -> Result<(), Error> {
    let files = ["xml", "bin"].map(|suffix| format!("/models/{name}.{suffix}"));
    let builder = GraphBuilder::new(GraphEncoding::OPENVINO, ExecutionTarget::CPU);
    let mut context = builder.build_from_files(files)?.init_execution_context()?;
    context.run(&[Tensor::new(&[3], &values)?.into()])?;
    println!("{name} {:?}", context.get_output_vec::<T>(0)?);
    Ok(())
}
