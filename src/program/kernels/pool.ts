// Max and average pooling over planes [h, w] to [oh, ow].
export const rows = `
max_pool2d_f32: y idx:i32 | x | planes oh ow kh kw | h:i32 w:i32 sh:i32 sw:i32 ph:i32 pw:i32 dh:i32 dw:i32
max_pool2d_vjp_f32: gx | gy idx:i32 | planes oh ow | h:i32 w:i32 sh:i32 sw:i32 ph:i32 pw:i32 dh:i32 dw:i32 kh:i32 kw:i32
avg_pool2d_f32: y | x | planes oh ow kh kw | h:i32 w:i32 sh:i32 sw:i32 ph:i32 pw:i32 padded:i32 given:i32
avg_pool2d_vjp_f32: gx | gy | planes oh ow kh kw | h:i32 w:i32 sh:i32 sw:i32 ph:i32 pw:i32 padded:i32 given:i32
`;
