// Optimizer steps over tables of segments, and their step counts.
export const rows = `
tick_f32: step.. | g.. | count |
corrections_f32: y | step g | count | beta1:f64 beta2:f64
sparse_rows_i32: order:i32 table:i32 | indices:i32 values | n rows |
sparse_adam_f32: p mean square | lr values order:i32 step | n width | beta1:f64 beta2:f64 eps:f64 maximize
sgd_f32: p.. | lr g.. | count n.. | decay:f64 maximize
sgd_momentum_f32: p.. buffer.. | lr g.. step.. | count n.. | decay:f64 momentum:f64 dampening:f64 nesterov maximize
adam_f32: p.. mean.. square.. | lr g.. step.. | count n.. | beta1:f64 beta2:f64 eps:f64 decay:f64 maximize decoupled
adam_amsgrad_f32: p.. mean.. square.. most.. | lr g.. step.. | count n.. | beta1:f64 beta2:f64 eps:f64 decay:f64 maximize decoupled
`;
