"""The part of OpenVINO's C API that the host calls; loads no library.

`python -m host.ffi_modules` makes the module `openvino_ffi` of it.
"""

from __future__ import annotations

from typing import Final

CDEF: Final = """
void *dlopen(const char *path, int flags);

typedef struct ov_core ov_core_t;
typedef struct ov_model ov_model_t;
typedef struct ov_compiled_model ov_compiled_model_t;
typedef struct ov_infer_request ov_infer_request_t;
typedef struct ov_tensor ov_tensor_t;
typedef struct ov_output_const_port ov_output_const_port_t;
typedef struct ov_layout ov_layout_t;
typedef struct ov_preprocess_prepostprocessor ov_preprocess_prepostprocessor_t;
typedef struct ov_preprocess_input_info ov_preprocess_input_info_t;
typedef struct ov_preprocess_input_tensor_info ov_preprocess_input_tensor_info_t;
typedef struct ov_preprocess_input_model_info ov_preprocess_input_model_info_t;

typedef enum {
    OK = 0, GENERAL_ERROR = -1, NOT_IMPLEMENTED = -2, NETWORK_NOT_LOADED = -3, PARAMETER_MISMATCH = -4,
    NOT_FOUND = -5, OUT_OF_BOUNDS = -6, UNEXPECTED = -7, REQUEST_BUSY = -8, RESULT_NOT_READY = -9,
    NOT_ALLOCATED = -10, INFER_NOT_STARTED = -11, NETWORK_NOT_READ = -12, INFER_CANCELLED = -13,
    INVALID_C_PARAM = -14, UNKNOWN_C_ERROR = -15, NOT_IMPLEMENT_C_METHOD = -16, UNKNOW_EXCEPTION = -17
} ov_status_e;

typedef enum {
    DYNAMIC = 0, BOOLEAN, BF16, F16, F32, F64, I4, I8, I16, I32, I64, U1, U2, U3, U4, U6, U8, U16, U32, U64,
    NF4, F8E4M3, F8E5M3, STRING, F4E2M1, F8E8M0
} ov_element_type_e;

typedef struct { int64_t rank; int64_t* dims; } ov_shape_t;
typedef struct ov_dimension { int64_t min; int64_t max; } ov_dimension_t;
typedef ov_dimension_t ov_rank_t;
typedef struct ov_partial_shape { ov_rank_t rank; ov_dimension_t* dims; } ov_partial_shape_t;
typedef struct ov_version { const char* buildNumber; const char* description; } ov_version_t;
typedef struct { char** devices; size_t size; } ov_available_devices_t;

const char* ov_get_error_info(ov_status_e status);
const char* ov_get_last_err_msg();
void ov_free(const char* content);
ov_status_e ov_get_openvino_version(ov_version_t* version);
void ov_version_free(ov_version_t* version);

ov_status_e ov_core_create(ov_core_t** core);
void ov_core_free(ov_core_t* core);
ov_status_e ov_core_read_model(const ov_core_t* core, const char* model_path, const char* bin_path,
                               ov_model_t** model);
ov_status_e ov_core_read_model_from_memory_buffer(const ov_core_t* core, const char* model_str,
                                                  const size_t str_len, const ov_tensor_t* weights,
                                                  ov_model_t** model);
ov_status_e ov_core_compile_model(const ov_core_t* core, const ov_model_t* model, const char* device_name,
                                  const size_t property_args_size, ov_compiled_model_t** compiled_model, ...);
ov_status_e ov_core_get_property(const ov_core_t* core, const char* device_name, const char* property_key,
                                 char** property_value);
ov_status_e ov_core_set_property(const ov_core_t* core, const char* device_name, ...);
ov_status_e ov_core_import_model(const ov_core_t* core, const char* content, const size_t content_size,
                                 const char* device_name, ov_compiled_model_t** compiled_model);
ov_status_e ov_core_get_available_devices(const ov_core_t* core, ov_available_devices_t* devices);
void ov_available_devices_free(ov_available_devices_t* devices);

void ov_model_free(ov_model_t* model);
ov_status_e ov_model_inputs_size(const ov_model_t* model, size_t* input_size);
ov_status_e ov_model_const_input_by_index(const ov_model_t* model, const size_t index,
                                          ov_output_const_port_t** input_port);
ov_status_e ov_model_outputs_size(const ov_model_t* model, size_t* output_size);
ov_status_e ov_model_const_output_by_index(const ov_model_t* model, const size_t index,
                                           ov_output_const_port_t** output_port);

ov_status_e ov_compiled_model_export_model(const ov_compiled_model_t* compiled_model,
                                           const char* export_model_path);
void ov_compiled_model_free(ov_compiled_model_t* compiled_model);
ov_status_e ov_compiled_model_inputs_size(const ov_compiled_model_t* compiled_model, size_t* size);
ov_status_e ov_compiled_model_input_by_index(const ov_compiled_model_t* compiled_model, const size_t index,
                                             ov_output_const_port_t** input_port);
ov_status_e ov_compiled_model_outputs_size(const ov_compiled_model_t* compiled_model, size_t* size);
ov_status_e ov_compiled_model_output_by_index(const ov_compiled_model_t* compiled_model, const size_t index,
                                              ov_output_const_port_t** output_port);
ov_status_e ov_compiled_model_create_infer_request(const ov_compiled_model_t* compiled_model,
                                                   ov_infer_request_t** infer_request);

ov_status_e ov_port_get_any_name(const ov_output_const_port_t* port, char** tensor_name);
ov_status_e ov_port_get_partial_shape(const ov_output_const_port_t* port, ov_partial_shape_t* partial_shape);
ov_status_e ov_port_get_element_type(const ov_output_const_port_t* port, ov_element_type_e* tensor_type);
void ov_output_const_port_free(ov_output_const_port_t* port);
void ov_partial_shape_free(ov_partial_shape_t* partial_shape);

ov_status_e ov_tensor_create(const ov_element_type_e type, const ov_shape_t shape, ov_tensor_t** tensor);
ov_status_e ov_tensor_get_byte_size(const ov_tensor_t* tensor, size_t* byte_size);
ov_status_e ov_tensor_data(const ov_tensor_t* tensor, void** data);
void ov_tensor_free(ov_tensor_t* tensor);

ov_status_e ov_infer_request_set_input_tensor_by_index(ov_infer_request_t* infer_request, const size_t idx,
                                                       const ov_tensor_t* tensor);
ov_status_e ov_infer_request_set_output_tensor_by_index(ov_infer_request_t* infer_request, const size_t idx,
                                                       const ov_tensor_t* tensor);
ov_status_e ov_infer_request_get_output_tensor_by_index(const ov_infer_request_t* infer_request,
                                                        const size_t idx, ov_tensor_t** tensor);
ov_status_e ov_infer_request_infer(ov_infer_request_t* infer_request);
void ov_infer_request_free(ov_infer_request_t* infer_request);

ov_status_e ov_layout_create(const char* layout_desc, ov_layout_t** layout);
void ov_layout_free(ov_layout_t* layout);
ov_status_e ov_preprocess_prepostprocessor_create(const ov_model_t* model,
                                                  ov_preprocess_prepostprocessor_t** preprocess);
void ov_preprocess_prepostprocessor_free(ov_preprocess_prepostprocessor_t* preprocess);
ov_status_e ov_preprocess_prepostprocessor_get_input_info_by_index(
    const ov_preprocess_prepostprocessor_t* preprocess, const size_t tensor_index,
    ov_preprocess_input_info_t** preprocess_input_info);
void ov_preprocess_input_info_free(ov_preprocess_input_info_t* preprocess_input_info);
ov_status_e ov_preprocess_input_info_get_tensor_info(
    const ov_preprocess_input_info_t* preprocess_input_info,
    ov_preprocess_input_tensor_info_t** preprocess_input_tensor_info);
void ov_preprocess_input_tensor_info_free(ov_preprocess_input_tensor_info_t* preprocess_input_tensor_info);
ov_status_e ov_preprocess_input_tensor_info_set_layout(
    ov_preprocess_input_tensor_info_t* preprocess_input_tensor_info, ov_layout_t* layout);
ov_status_e ov_preprocess_input_info_get_model_info(
    const ov_preprocess_input_info_t* preprocess_input_info,
    ov_preprocess_input_model_info_t** preprocess_input_model_info);
void ov_preprocess_input_model_info_free(ov_preprocess_input_model_info_t* preprocess_input_model_info);
ov_status_e ov_preprocess_input_model_info_set_layout(
    ov_preprocess_input_model_info_t* preprocess_input_model_info, ov_layout_t* layout);
ov_status_e ov_preprocess_prepostprocessor_build(const ov_preprocess_prepostprocessor_t* preprocess,
                                                 ov_model_t** model);
"""
"""From the headers of OpenVINO 2026.4, `openvino/include/openvino/c`; a test compares the two."""
