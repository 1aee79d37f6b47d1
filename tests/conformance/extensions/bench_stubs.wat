;; `bench.start` and `bench.end`, which benchmark guests import, can be linked and called.
(module
  (import "bench" "start" (func $start))
  (import "bench" "end" (func $end))
  (memory (export "memory") 1)
  (func (export "_start")
    (call $start)
    (call $end)))
