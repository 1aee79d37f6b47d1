;; A guest that exports no memory gets missing_memory. It cannot print: 0 is held, 16 + n is errno n.
(module
  (import "wasi_ephemeral_nn" "compute" (func $compute (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "proc_exit" (func $proc_exit (param i32)))
  (memory 1)
  (func (export "_start") (local $errno i32)
    (local.set $errno (call $compute (i32.const 1)))
    (if (i32.ne (local.get $errno) (i32.const 3)) ;; missing_memory
      (then (call $proc_exit (i32.add (i32.const 16) (local.get $errno)))))))
