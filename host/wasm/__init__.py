"""Read WebAssembly files as bytes, hostile ones too; compiles and runs nothing."""
