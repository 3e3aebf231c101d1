// Random numbers from the counters of a slot.
export const rows = `
random_take_i32: slot:u32 state:u32 | | n |
uniform_f32: y | slot:u32 | n | lo:f32 hi:f32 | indexed
normal_f32: y | slot:u32 | n | mean:f32 spread:f32 | indexed
dropout_mask_f32: y | slot:u32 | n | p:f32 scale:f32 | indexed
randint_i32: y:i32 | slot:u32 | n | lo:i32 hi:i32 | indexed
`;
