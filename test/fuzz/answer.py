# The PyTorch side of `npm run fuzz`: reads a line of JSON, a list of programs (program.ts), and answers with a line of JSON,
# what each gives in float64 and in float32. Ends when its input does.
import json
import math
import sys
import warnings

import torch
import torch.nn.functional as F

warnings.filterwarnings("ignore")
torch.set_num_threads(1)

WORDS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
LARGE = 1e8


class Dropped(Exception):
    """What no other engine can be asked to repeat."""


def dtype_of(name):
    return {"f32": torch.get_default_dtype(), "i32": torch.int32, "bool": torch.bool}[name]


def name_of(t):
    if t.dtype.is_floating_point:
        return "f32"
    return "bool" if t.dtype == torch.bool else "i32"


def tensor_of(x):
    values = [WORDS[v] if isinstance(v, str) else v for v in x["data"]]
    # What reshape gives is a view, whose history is another than a leaf's.
    t = torch.tensor(values, dtype=dtype_of(x["dtype"])).reshape(x["shape"]).clone()
    return t.requires_grad_() if x.get("grad") else t


def plain(v):
    if isinstance(v, float) and not math.isfinite(v):
        return "nan" if math.isnan(v) else "inf" if v > 0 else "-inf"
    return int(v) if isinstance(v, bool) else v


def solid(t):
    """Zeros in autograd may have no memory."""
    return torch.zeros(t.shape, dtype=t.dtype) if t._is_zerotensor() else t


def encoded(t):
    if t is None:
        return None
    if not torch.is_tensor(t):
        return t
    data = [plain(v) for v in solid(t.detach()).reshape(-1).tolist()]
    return {"shape": list(t.shape), "dtype": name_of(t), "grad": t.requires_grad, "data": data}


def pattern(k, t):
    """The gradient that a program names by a number: program.ts has the same."""
    values = [((i * 5 + k * 3) % 7 - 3) / 4 for i in range(t.numel())]
    return torch.tensor(values, dtype=t.dtype).reshape(t.shape)


def size_of(t):
    if t.dtype == torch.bool:
        return 1.0
    x = solid(t.detach()).abs()
    x = x[torch.isfinite(x)]
    return float(x.max()) if x.numel() > 0 else 0.0


def storage(t):
    return t.storage().data_ptr()


def cells(t):
    n = len(t.storage())
    return torch.arange(n).as_strided(t.shape, t.stride(), t.storage_offset()).reshape(-1).tolist()


def place(t):
    return t.storage_offset(), [(n, s) for n, s in zip(t.shape, t.stride()) if n != 1]


def tangled(op, target, others):
    """The result of this write depends on the order in which elements are visited."""
    if target.numel() == 0:
        return False
    mine = cells(target)
    if len(set(mine)) < len(mine) and op not in ("fill_", "zero_"):
        return True
    for o in others:
        if not torch.is_tensor(o) or o.numel() == 0 or storage(o) != storage(target) or place(o) == place(target):
            continue
        if set(cells(o)) & set(mine):
            return True
    return False


def sliced(x, dim, start, end, step):
    index = [slice(None)] * x.dim()
    index[dim] = slice(start, end, step)
    return x[tuple(index)]


def grad_now(t):
    return None if not t.is_leaf or t.grad is None else t.grad.tolist()


def grads_of(env, step, args):
    leaves = {name: t for name, t in env.items() if name[0] == "x"}
    y, *xs = [env[name] for name in step["in"]]
    k = args.pop("gradient", None)
    gradient = None if k is None else pattern(k, y)
    before = {name: grad_now(t) for name, t in leaves.items()}
    result = list(torch.autograd.grad(y, xs, gradient, allow_unused=True, **args))
    for name, t in leaves.items():
        if str(grad_now(t)) != str(before[name]):
            raise Dropped("grad() accumulated into a leaf: PyTorch does where that was written into a view")
    return result


def backward(y, gradient=None, **args):
    y.backward(None if gradient is None else pattern(gradient, y), **args)


def grad_of(x):
    if x.grad is None:
        raise RuntimeError("there is no gradient")
    return x.grad


def drop_grad(x):
    x.grad = None


def mean(x, dim=None, keepdim=False):
    """PyTorch 1.13 saves what it takes the mean of along a dim, though its gradient reads only the sizes."""
    if dim is None or not x.is_floating_point():
        return x.mean() if dim is None else x.mean(dim, keepdim)
    y = x.sum(dim, keepdim)
    return y / math.prod(x.shape[d] for d in dim)


def operand(op):
    def f(*inputs, other=None, **rest):
        return getattr(torch.Tensor, op)(*inputs, *([] if other is None else [other]), **rest)

    return f


def of_labels(op):
    """Of class labels, which are int64 there, or of floats."""

    def f(x, target, *rest, **args):
        return getattr(F, op)(x, target if target.is_floating_point() else target.long(), *rest, **args)

    return f


LOSSES = """l1_loss smooth_l1_loss huber_loss binary_cross_entropy_with_logits soft_margin_loss kl_div poisson_nll_loss gaussian_nll_loss
    hinge_embedding_loss margin_ranking_loss triplet_margin_loss cosine_embedding_loss cosine_similarity pairwise_distance
    multi_margin_loss multilabel_margin_loss multilabel_soft_margin_loss cross_entropy nll_loss ctc_loss"""
ACTIVATIONS = """leaky_relu hardtanh relu6 hardsigmoid hardswish hardshrink softshrink threshold rrelu elu selu celu gelu silu mish softplus
    softsign logsigmoid tanhshrink prelu glu softmin"""

SPECIAL = {
    **{op: getattr(F, op) for op in ACTIVATIONS.split()},
    **{op: of_labels(op) for op in LOSSES.split()},
    **{op: operand(op) for op in ["add", "sub", "mul", "div", "add_", "sub_", "mul_", "div_"]},
    **{op: operand(op) for op in ["eq", "ne", "lt", "le", "gt", "ge"]},
    "slice": sliced,
    "view": lambda x, shape: x.view(shape),
    "reshape": lambda x, shape: x.reshape(shape),
    "expand": lambda x, shape: x.expand(shape),
    "permute": lambda x, dims: x.permute(dims),
    "mean": mean,
    "where": torch.where,
    "linear": F.linear,
    "softmax": F.softmax,
    "log_softmax": F.log_softmax,
    "to": lambda x, dtype: x.to(dtype_of(dtype)) if name_of(x) != dtype else x,
    "clamp": lambda x, *bounds, **args: torch.clamp(x, *bounds, **args),
    "backward": backward,
    "grad_of": grad_of,
    "drop_grad": drop_grad,
    "requires_grad_": lambda x, value: x.requires_grad_(value),
}
# These look at strides, so that they differ where a result kept the order of its operand's memory.
LAYOUT = {"view", "reshape", "flatten", "contiguous"}


def execute(program, dtype):
    torch.set_default_dtype(dtype)
    env = {f"x{i}": tensor_of(x) for i, x in enumerate(program["inputs"])}
    known = {storage(t) for t in env.values()}
    strange = set()
    lent = set()
    size = max([size_of(t) for t in env.values()] or [0.0])
    answer = {}
    for k, step in enumerate(program["steps"]):
        op, args = step["op"], dict(step["args"])
        inputs = [env[name] for name in step["in"]]
        write = op.endswith("_") and op != "requires_grad_"
        if inputs and inputs[0].numel() > 0:
            if (op in LAYOUT or write) and storage(inputs[0]) in strange:
                raise Dropped("the layout of a result follows that of an operand in PyTorch and is row-major here")
            if write and storage(inputs[0]) in lent:
                raise Dropped("which gradients share memory is not said")
        bad = write and tangled(op, inputs[0], inputs[1:])
        try:
            with torch.set_grad_enabled(not step.get("noGrad", False)):
                if op == "grad":
                    result = grads_of(env, step, args)
                else:
                    result = SPECIAL.get(op, None) or getattr(torch.Tensor, op)
                    result = result(*inputs, **args)
        except Dropped:
            raise
        except Exception as error:
            if "ZeroTensors are immutable" in str(error):
                raise Dropped("zeros without memory, which PyTorch's autograd makes")
            answer = {"refused": k, "message": str(error).split("\n")[0][:240]}
            break
        if bad:
            raise Dropped("the order of memory")
        out = step["out"]
        if out is None:
            continue
        names = out if isinstance(out, list) else [out]
        results = list(result) if isinstance(result, (tuple, list)) else [result]
        if len(names) != len(results):
            raise Dropped(f"{op} gives {len(results)} results, {len(names)} are named")
        for name, t in zip(names, results):
            if t is None:  # a gradient that is not there
                t = torch.zeros_like(env[step["in"][1 + names.index(name)]])
                answer.setdefault("none", []).append(name)
            env[name] = t = t if not t._is_zerotensor() else t + torch.zeros(t.shape)
            if t.numel() > 0 and (storage(t) not in known or op == "grad"):
                known.add(storage(t))
                if not t.is_contiguous():
                    strange.add(storage(t))
                if op == "grad":
                    lent.add(storage(t))
            size = max(size, size_of(t))
    # Without grad, since a view that was made so may else not be looked at once it was written.
    with torch.no_grad():
        answer["values"] = {name: encoded(t) for name, t in env.items()}
        grads = {name: t for name, t in env.items() if name[0] == "x" and t.requires_grad}
        answer["grads"] = {name: encoded(t.grad) for name, t in grads.items()}
        size = max([size, *(size_of(t.grad) for t in grads.values() if t.grad is not None)])
    answer["size"] = size
    if size > LARGE:
        raise Dropped("values too large to compare")
    return answer


def answered(program):
    try:
        wide = execute(program, torch.float64)
        narrow = execute(program, torch.float32)
    except Dropped as reason:
        return {"dropped": str(reason)}
    if wide.get("refused") != narrow.get("refused"):
        return {"dropped": "float64 and float32 are refused at different steps"}
    return {"wide": wide, "narrow": {k: narrow[k] for k in ("values", "grads")}}


print(json.dumps({"torch": torch.__version__}), flush=True)
for line in sys.stdin:
    print(json.dumps([answered(p) for p in json.loads(line)]), flush=True)
