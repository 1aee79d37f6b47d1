//! Prints what the safe calls answer. The graph `double`, y = x + x for f32 [1, 2], is registered and in
//! /model.

use wasinn::{Error, ExecutionContext, ExecutionTarget, Graph, GraphBuilder, GraphEncoding, Tensor};

const SHAPE: [u32; 2] = [1, 2];

fn main() -> Result<(), Error> {
    let builder = GraphBuilder::new(GraphEncoding::OPENVINO, ExecutionTarget::CPU);
    let files = ["/model/model.xml", "/model/model.bin"];
    println!("name {:?}", double(&Graph::load_by_name("double")?)?);
    println!("cache {:?}", double(&builder.build_from_cache("double")?)?);
    println!("files {:?}", double(&builder.build_from_files(files)?)?);
    let parts = files.map(|file| std::fs::read(file).unwrap_or_default());
    println!("bytes {:?}", double(&builder.build_from_bytes(&parts)?)?);

    let mut context = Graph::load_by_name("double")?.init_execution_context()?;
    println!("before {}", context.get_output_vec::<f32>(0).is_err());
    one_by_one(&mut context)?;
    println!("size {:?}", context.output_size(0)?);
    let small = context.get_output_into(0, &mut [0.0_f32]);
    println!("small {}", matches!(small, Err(Error::TooLarge)));
    println!("index {}", context.get_output_vec::<f32>(1).is_err());
    let wrong = context.set_input(0, Tensor::new(&SHAPE, &[1_i64, 2])?).and_then(|()| context.compute());
    println!("type {}", wrong.is_err());

    println!("unknown {}", failure(Graph::load_by_name("nobody").map(drop)));
    println!("garbage {}", failure(builder.build_from_bytes([b"garbage", b"garbage"]).map(drop)));
    println!("missing {}", failure(builder.build_from_files(["/model/none"]).map(drop)));
    Ok(())
}

fn double(graph: &Graph) -> Result<Vec<f32>, Error> {
    let mut context = graph.init_execution_context()?;
    context.run(&[Tensor::new(&SHAPE, &[1.5_f32, -2.0])?.into()])?;
    context.get_output_vec(0)
}

fn one_by_one(context: &mut ExecutionContext) -> Result<(), Error> {
    let (input, mut room) = ([1.0_f32, 2.0], [9.0_f32; 3]);
    context.set_input(0, Tensor::new(&SHAPE, &input)?)?;
    context.compute()?;
    let count = context.get_output_into(0, &mut room)?;
    println!("into {count} {room:?}");
    Ok(())
}

fn failure(result: Result<(), Error>) -> String {
    result.map_or_else(|error| error.to_string(), |()| "none".to_owned())
}
