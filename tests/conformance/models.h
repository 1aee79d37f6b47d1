/**
 * models.h: the guests' models, OpenVINO IR as text; a guest has all it needs in itself.
 *
 * `type` is a string such as "f32", `shape` one such as "1,2", with "?" for a length that is not fixed.
 */
#ifndef MODELS_H
#define MODELS_H

#define IR(layers, edges) \
  "<?xml version='1.0'?><net name='conformance' version='11'><layers>" layers "</layers><edges>" edges "</edges></net>"
#define PARAMETER(id, type, shape) \
  "<layer id='" id "' name='x" id "' type='Parameter' version='opset1'><data element_type='" type "' shape='" shape \
  "'/><output><port id='0' precision='" type "'/></output></layer>"
#define CONSTANT(id, type, shape, size) \
  "<layer id='" id "' name='c" id "' type='Const' version='opset1'><data element_type='" type "' shape='" shape \
  "' offset='0' size='" size "'/><output><port id='0' precision='" type "'/></output></layer>"
/** An operation of two inputs, ports 0 and 1, and one output, port 2. */
#define BINARY(id, operation, data, type) \
  "<layer id='" id "' name='y" id "' type='" operation "' version='opset1'>" data \
  "<input><port id='0'/><port id='1'/></input><output><port id='2' precision='" type "'/></output></layer>"
#define RESULT(id) \
  "<layer id='" id "' name='r" id "' type='Result' version='opset1'><input><port id='0'/></input></layer>"
#define EDGE(from, from_port, to, to_port) \
  "<edge from-layer='" from "' from-port='" from_port "' to-layer='" to "' to-port='" to_port "'/>"

/** y = x + x. */
#define DOUBLE(type, shape) \
  IR(PARAMETER("0", type, shape) BINARY("1", "Add", "", type) RESULT("2"), \
     EDGE("0", "0", "1", "0") EDGE("0", "0", "1", "1") EDGE("1", "2", "2", "0"))

/** y = a - b, for f32 [2]: input 0 is a, input 1 is b. */
#define SUBTRACT \
  IR(PARAMETER("0", "f32", "2") PARAMETER("1", "f32", "2") BINARY("2", "Subtract", "", "f32") RESULT("3"), \
     EDGE("0", "0", "2", "0") EDGE("1", "0", "2", "1") EDGE("2", "2", "3", "0"))

/** Output 0 is x + x, output 1 is x * x, for f32 [2]. */
#define DOUBLE_AND_SQUARE \
  IR(PARAMETER("0", "f32", "2") BINARY("1", "Add", "", "f32") BINARY("2", "Multiply", "", "f32") RESULT("3") \
         RESULT("4"), \
     EDGE("0", "0", "1", "0") EDGE("0", "0", "1", "1") EDGE("0", "0", "2", "0") EDGE("0", "0", "2", "1") \
         EDGE("1", "2", "3", "0") EDGE("2", "2", "4", "0"))

/** y = x + c for f32 [2]; the weights are c, 8 bytes. */
#define ADD_WEIGHTS \
  IR(PARAMETER("0", "f32", "2") CONSTANT("1", "f32", "2", "8") BINARY("2", "Add", "", "f32") RESULT("3"), \
     EDGE("0", "0", "2", "0") EDGE("1", "0", "2", "1") EDGE("2", "2", "3", "0"))

/** y = x in two rows, for f32 [?]; the weights are the i64 2, -1. An odd number of elements cannot be computed. */
#define TWO_ROWS \
  IR(PARAMETER("0", "f32", "?") CONSTANT("1", "i64", "2", "16") \
         BINARY("2", "Reshape", "<data special_zero='false'/>", "f32") RESULT("3"), \
     EDGE("0", "0", "2", "0") EDGE("1", "0", "2", "1") EDGE("2", "2", "3", "0"))

/** The ONNX model y = x + x for f32 [2], as protobuf. */
#define ONNX_DOUBLE \
  "\x08\x08"                                         /* ir_version 8 */ \
  "\x42\x04\x0a\x00\x10\x0d"                         /* opset_import: the standard one, 13 */ \
  "\x3a\x35"                                         /* graph, 53 bytes: */ \
  "\x0a\x0e\x0a\x01x\x0a\x01x\x12\x01y\x22\x03" "Add" /*   node Add(x, x) -> y */ \
  "\x12\x01g"                                        /*   name */ \
  "\x5a\x0f\x0a\x01x\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x02" /* input x: f32 [2] */ \
  "\x62\x0f\x0a\x01y\x12\x0a\x0a\x08\x08\x01\x12\x04\x0a\x02\x08\x02" /* output y: f32 [2] */

#endif /* MODELS_H */
