//! An in-process host, so that code using this crate can be unit-tested natively: a model is a closure.
//!
//! Turn the feature on for tests only:
//!
//! ```toml
//! [dev-dependencies]
//! wasinn = { version = "0.1", features = ["fake"] }
//! ```
//!
//! ```
//! use wasinn::{fake, Graph, Tensor};
//!
//! fn double(values: &[f32]) -> Result<Vec<f32>, wasinn::Error> {
//!     let shape = [values.len() as u32];
//!     let mut context = Graph::load_by_name("double")?.init_execution_context()?;
//!     context.run(&[Tensor::new(&shape, values)?.into()])?;
//!     context.get_output_vec(0)
//! }
//!
//! fake::register("double", |inputs| {
//!     let twice: Vec<f32> = inputs[0].elements::<f32>().iter().map(|x| 2.0 * x).collect();
//!     Ok(vec![fake::Tensor::new(&inputs[0].dimensions, &twice)])
//! });
//! assert_eq!(double(&[1.0, 2.5]).unwrap(), [2.0, 5.0]);
//! ```
//!
//! Each thread has a host of its own, as each test of `cargo test` has a thread. It answers mistakes as the
//! interface says: a dead handle, an unknown name, a gap among the inputs, an output that was never computed,
//! a small buffer. It checks no shape: what a model does with its inputs is the closure's business. It copies
//! inputs in `set_input`, so it does not notice one that dies before `compute`.

use crate::element::Element;
use crate::raw::{ExecutionTarget, GraphEncoding, NnErrno, TensorType};
use crate::sys;
use std::borrow::ToOwned;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::string::String;
use std::vec::Vec;

/// A tensor with its own elements: what a model is given and gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tensor {
    /// The extent of each dimension, outermost first.
    pub dimensions: Vec<u32>,
    /// The type of the elements.
    pub tensor_type: TensorType,
    /// The elements, little-endian.
    pub data: Vec<u8>,
}

impl Tensor {
    /// Copies a shape and elements; they are not compared.
    #[must_use]
    pub fn new<T: Element>(dimensions: &[u32], elements: &[T]) -> Self {
        let data = sys::bytes(elements).to_owned();
        Self { dimensions: dimensions.to_owned(), tensor_type: T::TYPE, data }
    }

    /// The elements.
    ///
    /// # Panics
    ///
    /// When they are of another type: the test has found a mistake.
    #[must_use]
    pub fn elements<T: Element>(&self) -> Vec<T> {
        assert_eq!(self.tensor_type, T::TYPE, "the tensor is of another type");
        let mut elements = std::vec![T::default(); self.data.len() / core::mem::size_of::<T>()];
        sys::bytes_mut(&mut elements).copy_from_slice(&self.data);
        elements
    }
}

/// What a model's closure answers: the outputs, or the error that `compute` is to give.
pub type Outputs = Result<Vec<Tensor>, NnErrno>;
type Model = Rc<dyn Fn(&[Tensor]) -> Outputs>;
type Loader = Rc<dyn Fn(&[&[u8]], GraphEncoding, ExecutionTarget) -> Result<String, NnErrno>>;

/// Registers a model under a name, in place of one that has it. Graphs that are loaded keep theirs.
pub fn register(name: &str, model: impl Fn(&[Tensor]) -> Outputs + 'static) {
    with(|host| host.models.insert(name.to_owned(), Rc::new(model)));
}

/// Decides what becomes of a model that comes as bytes: the name of a registered one, or an error. Until this
/// is called the answer is [`NnErrno::INVALID_ENCODING`].
pub fn on_load(
    loader: impl Fn(&[&[u8]], GraphEncoding, ExecutionTarget) -> Result<String, NnErrno> + 'static,
) {
    with(|host| host.loader = Some(Rc::new(loader)));
}

/// Whether `get_output` tells the size of an output that does not fit, as some hosts do; this one does unless
/// told.
pub fn tell_sizes(yes: bool) {
    with(|host| host.is_silent = !yes);
}

/// Forgets everything.
pub fn reset() {
    with(|host| *host = Host::default());
}

#[derive(Default)]
struct Host {
    models: BTreeMap<String, Model>,
    loader: Option<Loader>,
    is_silent: bool,
    graphs: BTreeMap<u32, Model>,
    contexts: BTreeMap<u32, Context>,
    handles: u32,
}

struct Context {
    model: Model,
    inputs: BTreeMap<u32, Tensor>,
    outputs: Option<Vec<Tensor>>,
}

std::thread_local! {
    static HOST: RefCell<Host> = RefCell::default();
}

fn with<R>(f: impl FnOnce(&mut Host) -> R) -> R {
    HOST.with(|host| f(&mut host.borrow_mut()))
}

/// The calls, as `sys` has them.
pub(crate) mod host {
    use super::{with, Context, Host, Tensor};
    use crate::raw::{
        self, ExecutionTarget, Graph, GraphBuilder, GraphEncoding, GraphExecutionContext, NnErrno,
    };
    use crate::sys::slice;
    use std::borrow::ToOwned;
    use std::collections::BTreeMap;
    use std::vec::Vec;

    impl Host {
        fn handle(&mut self) -> u32 {
            self.handles += 1;
            self.handles
        }

        fn context(&mut self, context: GraphExecutionContext) -> Result<&mut Context, NnErrno> {
            self.contexts.get_mut(&context.0).ok_or(NnErrno::INVALID_ARGUMENT)
        }
    }

    pub(crate) fn load(
        parts: &[GraphBuilder<'_>],
        encoding: GraphEncoding,
        target: ExecutionTarget,
    ) -> Result<Graph, NnErrno> {
        let loader = with(|host| host.loader.clone()).ok_or(NnErrno::INVALID_ENCODING)?;
        let parts: Vec<&[u8]> = parts.iter().map(|&part| slice(part)).collect();
        load_by_name(&loader(&parts, encoding, target)?)
    }

    pub(crate) fn load_by_name(name: &str) -> Result<Graph, NnErrno> {
        with(|host| {
            let model = host.models.get(name).cloned().ok_or(NnErrno::NOT_FOUND)?;
            let handle = host.handle();
            host.graphs.insert(handle, model);
            Ok(Graph(handle))
        })
    }

    pub(crate) fn init_execution_context(graph: Graph) -> Result<GraphExecutionContext, NnErrno> {
        with(|host| {
            let model = host.graphs.get(&graph.0).cloned().ok_or(NnErrno::INVALID_ARGUMENT)?;
            let handle = host.handle();
            host.contexts.insert(handle, Context { model, inputs: BTreeMap::new(), outputs: None });
            Ok(GraphExecutionContext(handle))
        })
    }

    pub(crate) fn set_input(
        context: GraphExecutionContext,
        index: u32,
        tensor: &raw::Tensor<'_>,
    ) -> Result<(), NnErrno> {
        let tensor = Tensor {
            dimensions: slice(tensor.dimensions).to_owned(),
            tensor_type: tensor.type_,
            data: slice(tensor.data).to_owned(),
        };
        with(|host| {
            host.context(context)?.inputs.insert(index, tensor);
            Ok(())
        })
    }

    pub(crate) fn compute(context: GraphExecutionContext) -> Result<(), NnErrno> {
        let (model, inputs) = with(|host| {
            let context = host.context(context)?;
            context.outputs = None;
            if (0..).zip(context.inputs.keys()).any(|(index, &key)| index != key) {
                return Err(NnErrno::RUNTIME_ERROR);
            }
            let inputs: Vec<Tensor> = context.inputs.values().cloned().collect();
            Ok((context.model.clone(), inputs))
        })?;
        // Outside: the model may itself use this host.
        let outputs = model(&inputs)?;
        with(|host| {
            host.context(context)?.outputs = Some(outputs);
            Ok(())
        })
    }

    pub(crate) fn get_output(
        context: GraphExecutionContext,
        index: u32,
        buffer: &mut [u8],
    ) -> (NnErrno, usize) {
        with(|host| {
            let is_silent = host.is_silent;
            let outputs = match host.context(context) {
                Ok(Context { outputs: Some(outputs), .. }) => outputs,
                Ok(_) => return (NnErrno::RUNTIME_ERROR, 0),
                Err(code) => return (code, 0),
            };
            let Some(output) = usize::try_from(index).ok().and_then(|index| outputs.get(index)) else {
                return (NnErrno::INVALID_ARGUMENT, 0);
            };
            let size = output.data.len();
            match buffer.get_mut(..size) {
                Some(room) => {
                    room.copy_from_slice(&output.data);
                    (NnErrno::SUCCESS, size)
                }
                None => (NnErrno::TOO_LARGE, if is_silent { 0 } else { size }),
            }
        })
    }

    /// The settings are ignored.
    #[cfg(feature = "extensions")]
    pub(crate) fn load_by_name_with_config(name: &str, _: &str) -> Result<Graph, NnErrno> {
        load_by_name(name)
    }

    #[cfg(feature = "extensions")]
    pub(crate) fn unload(graph: Graph) -> Result<(), NnErrno> {
        with(|host| host.graphs.remove(&graph.0).map(|_| ()).ok_or(NnErrno::INVALID_ARGUMENT))
    }

    #[cfg(feature = "extensions")]
    pub(crate) fn finalize_execution_context(context: GraphExecutionContext) -> Result<(), NnErrno> {
        with(|host| host.contexts.remove(&context.0).map(|_| ()).ok_or(NnErrno::INVALID_ARGUMENT))
    }
}
