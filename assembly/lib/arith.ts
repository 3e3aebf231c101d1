// The arithmetic of the elementwise families: classes passed to the loops of map.ts. A comparison gives i32 0 or 1.
// (They stand apart from the kernels since what elementwise/binary.ts exports becomes an export of the module.)

// @ts-ignore: decorator
@inline
function truth(mask: v128): v128 {
  return i32x4.shr_u(mask, 31);
}

export class Add {
  @inline v(a: v128, b: v128): v128 {
    return f32x4.add(a, b);
  }
}
export class Sub {
  @inline v(a: v128, b: v128): v128 {
    return f32x4.sub(a, b);
  }
}
export class Mul {
  @inline v(a: v128, b: v128): v128 {
    return f32x4.mul(a, b);
  }
}
export class Div {
  @inline v(a: v128, b: v128): v128 {
    return f32x4.div(a, b);
  }
}
export class Maximum {
  @inline v(a: v128, b: v128): v128 {
    return f32x4.max(a, b);
  }
}
export class Minimum {
  @inline v(a: v128, b: v128): v128 {
    return f32x4.min(a, b);
  }
}
export class Eq {
  @inline v(a: v128, b: v128): v128 {
    return truth(f32x4.eq(a, b));
  }
}
export class Ne {
  @inline v(a: v128, b: v128): v128 {
    return truth(f32x4.ne(a, b));
  }
}
export class Lt {
  @inline v(a: v128, b: v128): v128 {
    return truth(f32x4.lt(a, b));
  }
}
export class Le {
  @inline v(a: v128, b: v128): v128 {
    return truth(f32x4.le(a, b));
  }
}
export class Gt {
  @inline v(a: v128, b: v128): v128 {
    return truth(f32x4.gt(a, b));
  }
}
export class Ge {
  @inline v(a: v128, b: v128): v128 {
    return truth(f32x4.ge(a, b));
  }
}
export class AddI {
  @inline v(a: v128, b: v128): v128 {
    return i32x4.add(a, b);
  }
}
export class SubI {
  @inline v(a: v128, b: v128): v128 {
    return i32x4.sub(a, b);
  }
}
export class MulI {
  @inline v(a: v128, b: v128): v128 {
    return i32x4.mul(a, b);
  }
}
export class MaxI {
  @inline v(a: v128, b: v128): v128 {
    return i32x4.max_s(a, b);
  }
}
export class MinI {
  @inline v(a: v128, b: v128): v128 {
    return i32x4.min_s(a, b);
  }
}
export class EqI {
  @inline v(a: v128, b: v128): v128 {
    return truth(i32x4.eq(a, b));
  }
}
export class NeI {
  @inline v(a: v128, b: v128): v128 {
    return truth(i32x4.ne(a, b));
  }
}
export class LtI {
  @inline v(a: v128, b: v128): v128 {
    return truth(i32x4.lt_s(a, b));
  }
}
export class LeI {
  @inline v(a: v128, b: v128): v128 {
    return truth(i32x4.le_s(a, b));
  }
}
export class GtI {
  @inline v(a: v128, b: v128): v128 {
    return truth(i32x4.gt_s(a, b));
  }
}
export class GeI {
  @inline v(a: v128, b: v128): v128 {
    return truth(i32x4.ge_s(a, b));
  }
}
