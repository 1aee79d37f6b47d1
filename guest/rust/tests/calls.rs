//! The calls, on the in-process host.

use wasinn::fake::{self, Outputs};
use wasinn::{
    AnyTensor, Error, ExecutionContext, ExecutionTarget, Graph, GraphBuilder, GraphEncoding, NnErrno, Tensor,
    TensorType, F16,
};

#[allow(clippy::unnecessary_wraps, reason = "a model may fail")]
fn echo(inputs: &[fake::Tensor]) -> Outputs {
    Ok(inputs.to_vec())
}

fn context() -> ExecutionContext {
    fake::register("echo", echo);
    Graph::load_by_name("echo").unwrap().init_execution_context().unwrap()
}

#[test]
fn every_element_type_comes_back() {
    fn check<T: wasinn::Element + PartialEq + std::fmt::Debug>(values: &[T]) {
        let mut context = context();
        let shape = [u32::try_from(values.len()).unwrap()];
        context.run(&[Tensor::new(&shape, values).unwrap().into()]).unwrap();
        assert_eq!(context.get_output_vec::<T>(0).unwrap(), values);
        let mut room = vec![T::default(); values.len() + 3];
        assert_eq!(context.get_output_into(0, &mut room).unwrap(), values.len());
        assert_eq!(&room[..values.len()], values);
        assert!(room[values.len()..].iter().all(|&rest| rest == T::default()));
    }
    check(&[0_u8, 1, 255]);
    check(&[i32::MIN, -1, i32::MAX]);
    check(&[i64::MIN, -1, i64::MAX]);
    check(&[f32::MIN_POSITIVE, -0.0, f32::INFINITY]);
    check(&[f64::MIN_POSITIVE, -0.0, f64::NEG_INFINITY]);
    check(&[F16::MAX, F16::from(0.1), F16::INFINITY]);
}

#[test]
fn inputs_of_several_types_arrive_in_their_order_with_shape_and_type() {
    let mut context = context();
    let (a, b) = ([1.0_f32, 2.0], [7_i64]);
    context.run(&[Tensor::new(&[1, 2], &a).unwrap().into(), Tensor::new(&[], &b).unwrap().into()]).unwrap();
    assert_eq!(context.get_output_vec::<f32>(0).unwrap(), a);
    assert_eq!(context.get_output_vec::<i64>(1).unwrap(), b);
}

#[test]
fn a_second_input_replaces_the_first_and_stays_for_the_next_computation() {
    let mut context = context();
    for value in [1_u8, 2] {
        context.set_input(0, Tensor::new(&[1], &[value]).unwrap()).unwrap();
    }
    for _ in 0..2 {
        context.compute().unwrap();
        assert_eq!(context.get_output_vec::<u8>(0).unwrap(), [2]);
    }
}

#[test]
fn unaligned_bytes_are_a_tensor_too() {
    let mut context = context();
    let bytes = [0, 1, 2, 3, 4, 5, 6, 7, 8];
    context.set_input(0, AnyTensor::from_bytes(TensorType::F32, &[2], &bytes[1..]).unwrap()).unwrap();
    context.compute().unwrap();
    assert_eq!(context.get_output_vec::<u8>(0).unwrap(), bytes[1..]);
}

#[test]
fn a_vector_grows_to_an_output_of_any_length_with_and_without_the_size() {
    for tells in [true, false] {
        let mut context = context();
        fake::tell_sizes(tells);
        for count in [0, 1, 511, 512, 513, 4096, 100_000] {
            let values: Vec<i64> = (0..count).collect();
            let shape = [u32::try_from(count).unwrap()];
            context.run(&[Tensor::new(&shape, &values).unwrap().into()]).unwrap();
            assert_eq!(context.output_size(0).unwrap(), (tells && count > 0).then_some(values.len() * 8));
            assert_eq!(context.get_output_vec::<i64>(0).unwrap(), values);
        }
    }
}

#[test]
fn a_buffer_that_is_too_small_is_told_and_not_touched() {
    let mut context = context();
    context.set_input(0, Tensor::new(&[3], &[1_u8, 2, 3]).unwrap()).unwrap();
    context.compute().unwrap();
    let mut room = [9_u8; 2];
    assert!(matches!(context.get_output_into(0, &mut room), Err(Error::TooLarge)));
    assert_eq!(room, [9, 9]);
}

#[test]
fn an_output_of_another_type_is_told_where_the_size_shows_it() {
    let mut context = context();
    context.set_input(0, Tensor::new(&[3], &[1_u8, 2, 3]).unwrap()).unwrap();
    context.compute().unwrap();
    let mut room = [0.0_f32; 9];
    let wrong = context.get_output_into(0, &mut room);
    assert!(matches!(wrong, Err(Error::ElementType { bytes: 3, asked: TensorType::F32 })));
    assert!(matches!(context.get_output_vec::<f32>(0), Err(Error::ElementType { bytes: 3, .. })));
}

#[test]
fn the_errors_of_the_calls() {
    let mut context = context();
    assert!(matches!(Graph::load_by_name("nobody"), Err(Error::NotFound)));
    assert!(matches!(context.get_output_vec::<u8>(0), Err(Error::RuntimeError)));
    context.set_input(1, Tensor::new(&[1], &[1_u8]).unwrap()).unwrap();
    assert!(matches!(context.compute(), Err(Error::RuntimeError)));
    context.set_input(0, Tensor::new(&[1], &[1_u8]).unwrap()).unwrap();
    context.compute().unwrap();
    assert!(matches!(context.get_output_vec::<u8>(2), Err(Error::InvalidArgument)));
    assert!(matches!(context.output_size(2), Err(Error::InvalidArgument)));
    fake::reset();
    assert!(matches!(context.compute(), Err(Error::InvalidArgument)));
}

#[test]
fn a_code_of_the_host_s_own_survives() {
    fake::register("odd", |_| Err(NnErrno(103)));
    let mut context = Graph::load_by_name("odd").unwrap().init_execution_context().unwrap();
    assert!(matches!(context.run(&[]), Err(Error::Unknown(NnErrno(103)))));
}

#[test]
fn a_failed_computation_leaves_no_output() {
    fake::register("picky", |inputs| match inputs {
        [] => Err(NnErrno::RUNTIME_ERROR),
        _ => echo(inputs),
    });
    let graph = Graph::load_by_name("picky").unwrap();
    let mut context = graph.init_execution_context().unwrap();
    assert!(matches!(context.compute(), Err(Error::RuntimeError)));
    assert!(matches!(context.get_output_into(0, &mut [0_u8]), Err(Error::RuntimeError)));
}

#[test]
fn parts_arrive_whole_and_in_order_from_bytes_and_from_files() {
    fake::register("echo", echo);
    fake::on_load(|parts, encoding, target| {
        assert_eq!(parts, [&b"<net/>"[..], b""]);
        assert_eq!((encoding, target), (GraphEncoding::OPENVINO, ExecutionTarget::GPU));
        Ok("echo".into())
    });
    let builder = GraphBuilder::new(GraphEncoding::OPENVINO, ExecutionTarget::GPU);
    builder.build_from_bytes([&b"<net/>"[..], b""]).unwrap();
    builder.build_from_bytes(&[b"<net/>".to_vec(), vec![]]).unwrap();
    let folder = std::env::temp_dir().join(format!("wasinn-calls-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let files = [folder.join("a.xml"), folder.join("a.bin")];
    std::fs::write(&files[0], b"<net/>").unwrap();
    std::fs::write(&files[1], b"").unwrap();
    builder.build_from_files(&files).unwrap();
    std::fs::remove_file(&files[1]).unwrap();
    let missing = builder.build_from_files(&files).unwrap_err();
    assert!(matches!(&missing, Error::File { path, .. } if *path == files[1]), "{missing}");
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn too_many_parts_are_refused_and_no_loader_is_no_encoding() {
    let builder = GraphBuilder::new(GraphEncoding::ONNX, ExecutionTarget::CPU);
    assert!(matches!(builder.build_from_bytes([[0_u8; 1]; 17]), Err(Error::TooLarge)));
    assert!(matches!(builder.build_from_bytes([[0_u8; 1]; 16]), Err(Error::InvalidEncoding)));
}

#[test]
fn a_folder_is_no_model_file() {
    let builder = GraphBuilder::new(GraphEncoding::ONNX, ExecutionTarget::CPU);
    assert!(matches!(builder.build_from_files([std::env::temp_dir()]), Err(Error::File { .. })));
}

#[cfg(feature = "extensions")]
#[test]
fn what_is_released_is_gone() {
    fake::register("echo", echo);
    let graph = Graph::load_by_name_with_config("echo", "{}").unwrap();
    let mut first = graph.init_execution_context().unwrap();
    let second = graph.init_execution_context().unwrap();
    second.finalize().unwrap();
    graph.unload().unwrap();
    first.run(&[]).unwrap();
    first.finalize().unwrap();
}
