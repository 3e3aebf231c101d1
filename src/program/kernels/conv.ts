// Convolution and its gradients, with a max-pool behind it, and by Winograd's algorithm.
export const rows = `
conv2d_f32: y | x weight | n co oh ow ci kh kw | h w sh sw ph pw dh dw groups relu lines | scratch
conv2d_bias_f32: y | x weight bias | n co oh ow ci kh kw | h w sh sw ph pw dh dw groups relu lines | scratch
conv2d_vjp_x_f32: gx | gy weight | n channels h w co kh kw | oh ow sh sw ph pw dh dw groups | scratch
conv2d_vjp_w_f32: part | gy x | chunks n co oh ow ci kh kw | h w sh sw ph pw dh dw groups | scratch
conv2d_pool_f32: y idx:u32 | x weight bias | n co oh ow ci kh kw ph pw | h w sh sw padh padw dh dw groups pkh pkw psh psw relu lines | scratch passes
conv2d_pool_vjp_x_f32: gx | g idx:i32 weight | n channels h w co kh kw ph pw | oh ow sh sw padh padw dh dw groups | scratch passes
conv2d_pool_vjp_w_f32: part | g idx:i32 x | chunks n co oh ow ci kh kw ph pw | h w sh sw padh padw dh dw groups | scratch passes
winograd_weight_f32: u | weight | rows k size | flipped | scratch choices
conv2d_winograd_f32: y | x u bias? | n co oh ow ci size | h w ph pw relu | scratch choices
conv2d_winograd_vjp_w_f32: part | gy x | chunks n co oh ow ci size | h w ph pw | scratch choices
`;
