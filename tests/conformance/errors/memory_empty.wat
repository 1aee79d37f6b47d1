;; In a memory of 0 pages every result pointer is outside: invalid_argument. 0 is held, 16 + n is errno n.
(module
  (import "wasi_ephemeral_nn" "load_by_name" (func $load_by_name (param i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory (export "memory") 0)
  (func (export "_start") (local $errno i32)
    (local.set $errno (call $load_by_name (i32.const 0) (i32.const 0) (i32.const 0)))
    (if (i32.ne (local.get $errno) (i32.const 1)) ;; invalid_argument
      (then (call $proc_exit (i32.add (i32.const 16) (local.get $errno)))))))
