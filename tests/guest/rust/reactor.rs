//! Doubles records of two `f32` with the model `double`, in a context that it keeps; counts what it answered.

use std::cell::RefCell;

use wasinn::{ExecutionContext, Graph, Tensor};

#[derive(Default)]
struct State {
    context: Option<ExecutionContext>,
    answered: u32,
}

thread_local!(static STATE: RefCell<State> = RefCell::default());

fn double(record: &[u8]) -> Result<String, String> {
    assert!(record != b"panic", "the record says so");
    let numbers: Vec<f32> = record
        .chunks_exact(4)
        .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
        .collect();
    STATE.with_borrow_mut(|state| {
        let twice = doubled(&mut state.context, &numbers).map_err(|error| error.to_string())?;
        state.answered += 1;
        Ok(format!("{twice:?} {}", state.answered))
    })
}

fn doubled(context: &mut Option<ExecutionContext>, numbers: &[f32]) -> Result<Vec<f32>, wasinn::Error> {
    let context = match context {
        Some(context) => context,
        None => context.insert(Graph::load_by_name("double")?.init_execution_context()?),
    };
    context.run(&[Tensor::new(&[1, 2], numbers)?.into()])?;
    context.get_output_vec(0)
}

wasinn::reactor!(double);
