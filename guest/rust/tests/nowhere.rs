//! Without a host every call answers an error, and nothing fails to link.
#![cfg(not(any(target_arch = "wasm32", feature = "fake")))]

use wasinn::{Error, ExecutionTarget, Graph, GraphBuilder, GraphEncoding};

#[test]
fn every_load_is_unsupported() {
    let builder = GraphBuilder::new(GraphEncoding::ONNX, ExecutionTarget::CPU);
    assert!(matches!(builder.build_from_bytes([b"model"]), Err(Error::UnsupportedOperation)));
    assert!(matches!(builder.build_from_cache("name"), Err(Error::UnsupportedOperation)));
    assert!(matches!(Graph::load_by_name("name"), Err(Error::UnsupportedOperation)));
    #[cfg(feature = "extensions")]
    assert!(matches!(Graph::load_by_name_with_config("name", "{}"), Err(Error::UnsupportedOperation)));
}
