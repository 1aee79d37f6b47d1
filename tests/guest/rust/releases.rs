//! Uses what only some hosts have. The graph `double`, y = x + x for f32 [1, 2], is registered.

use wasinn::{Error, Graph, Tensor};

fn main() -> Result<(), Error> {
    let graph = Graph::load_by_name_with_config("double", "{}")?;
    for _ in 0..100 {
        let mut context = graph.init_execution_context()?;
        context.run(&[Tensor::new(&[1, 2], &[1.0_f32, 2.0])?.into()])?;
        assert_eq!(context.get_output_vec::<f32>(0)?, [2.0, 4.0]);
        context.finalize()?;
    }
    graph.unload()?;
    println!("released");
    Ok(())
}
