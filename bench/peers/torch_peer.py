# PyTorch, eager: the same requests and answers as adapter.ts. Arguments: threads; `cuda` for the card instead of the CPU.
import json, math, os, statistics, sys, time

threads = sys.argv[1] if len(sys.argv) > 1 else "1"
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = threads
import torch
import torch.nn as nn
import torch.nn.functional as F

torch.set_num_threads(int(threads))
torch.manual_seed(0)
now = time.perf_counter
card = sys.argv[2:] == ["cuda"]
if card:
    # All that follows makes its tensors there. float32 is float32: no TF32.
    torch.set_default_device("cuda")
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32 = False

# As in timing.ts and adapter.ts.
SAMPLE, WARM, WARM_CALLS, LONGEST_WARM, LONG, LONGEST, BATCHES = 2e-3, 0.3, 12, 3.0, 0.25, 3.0, 8


def build(model):
    layers = []
    for layer in model["layers"]:
        kind = layer[0]
        if kind == "linear":
            layers.append(nn.Linear(layer[1], layer[2]))
        elif kind == "conv":
            layers.append(nn.Conv2d(layer[1], layer[2], layer[3]))
        elif kind == "maxPool":
            layers.append(nn.MaxPool2d(layer[1]))
        else:
            layers.append({"relu": nn.ReLU, "sigmoid": nn.Sigmoid, "flatten": nn.Flatten}[kind]())
    return nn.Sequential(*layers)


def inference(f):
    def run(times):
        with torch.no_grad():
            for _ in range(times):
                f()

    return run


def repeat(f):
    def run(times):
        for _ in range(times):
            f()

    return run


def train(task):
    spec, n = task["model"], task["batch"]
    model = build(spec)
    optimizer = torch.optim.SGD(model.parameters(), lr=spec["lr"], momentum=spec["momentum"])
    classes = spec["loss"] == "crossEntropy"
    loss = F.cross_entropy if classes else F.binary_cross_entropy
    batches = [
        (torch.rand(n, *spec["input"]), torch.randint(10, (n,)) if classes else (torch.rand(n, 1) > 0.5).float())
        for _ in range(BATCHES)
    ]
    at = 0

    def step():
        nonlocal at
        x, y = batches[at % BATCHES]
        at += 1
        optimizer.zero_grad(set_to_none=True)
        value = loss(model(x), y)
        value.backward()
        optimizer.step()

    return repeat(step)


def conv(task):
    n, ci, co, size, kernel, padding = (task[k] for k in ("n", "ci", "co", "size", "kernel", "padding"))
    x, w, b = torch.randn(n, ci, size, size), torch.randn(co, ci, kernel, kernel), torch.randn(co)
    out = size + 2 * padding - kernel + 1
    g = torch.randn(n, co, out, out)
    if task["pass"] == "forward":
        return inference(lambda: F.conv2d(x, w, b, padding=padding))
    if task["pass"] == "forward+backward":
        leaves = [x.requires_grad_(), w.requires_grad_(), b.requires_grad_()]

        def both():
            for leaf in leaves:
                leaf.grad = None
            F.conv2d(x, w, b, padding=padding).backward(g)

        return repeat(both)
    leaf = (x if task["pass"] == "dX" else w).requires_grad_()
    y = F.conv2d(x, w, None, padding=padding)
    return repeat(lambda: torch.autograd.grad(y, leaf, g, retain_graph=True))


def elementwise(task):
    a, b = torch.randn(task["rows"], 1024), torch.randn(task["rows"], 1024)
    return inference(
        {
            "add": lambda: a + b,
            "relu": lambda: torch.relu(a),
            "exp": lambda: torch.exp(a),
            "sigmoid": lambda: torch.sigmoid(a),
            "softmax": lambda: torch.softmax(a, 1),
            "sum": lambda: a.sum(),
            "layernorm": lambda: F.layer_norm(a, (1024,)),
        }[task["op"]]
    )


def mean(task):
    shape, of = task["shape"], task["of"]
    x = torch.randn(shape, requires_grad=True)
    classes = of == "smoothed cross entropy"
    target = torch.randint(shape[1], (shape[0],)) if classes else torch.rand(shape)
    f = {
        "gelu": lambda: F.gelu(x).mean(),
        "silu": lambda: F.silu(x).mean(),
        "mish": lambda: F.mish(x).mean(),
        "huber": lambda: F.huber_loss(x, target),
        "BCE with logits": lambda: F.binary_cross_entropy_with_logits(x, target),
        "smoothed cross entropy": lambda: F.cross_entropy(x, target, label_smoothing=0.1),
    }[of]

    def once():
        x.grad = None
        f().backward()

    return repeat(once)


def update(task):
    p = nn.Parameter(torch.randn(task["floats"]))
    p.grad = torch.randn(task["floats"])
    return repeat(getattr(torch.optim, task["of"])([p], lr=1e-3, **task.get("options", {})).step)


def numbers(i, spec):
    """Those of sweep.ts: the same on both sides, so that results can be compared."""
    n = math.prod(spec["shape"])
    if spec["of"] == "labels":
        return torch.arange(n) * 7919 % spec["classes"]
    steps = (torch.arange(n) * 7919 + 331 * i) % 1009
    values = steps.double() / 504.5 - 1 if spec["of"] == "signed" else (steps.double() + 1) / 1009
    return values.float().reshape(spec["shape"])


def digest(x):
    """As in sweep.ts: the mean size of the elements, and some of them."""
    x = x.detach().double().flatten()
    n = len(x)
    return {"mean": x.abs().mean().item(), "some": [x[(i * n // 16 + i) % n].item() for i in range(16)]}


def expression(task):
    """An op of the sweep, forward or backward; and what it gives."""
    inputs = {"abcd"[i]: numbers(i, spec) for i, spec in enumerate(task["inputs"])}
    code = compile(task["torch"], "the sweep", "eval")
    call = lambda: eval(code, {"torch": torch, "F": F}, inputs)
    if task["pass"] == "forward":
        with torch.no_grad():
            made = [digest(call())]
        return inference(call), made
    leaves = [inputs[name].requires_grad_() for name in task["grads"]]
    y = call()
    g = numbers(4, {"of": "signed", "shape": list(y.shape)})
    once = lambda: torch.autograd.grad(y, leaves, g, retain_graph=True)
    return repeat(once), [digest(x) for x in once()]


def prepare(task):
    kind = task["kind"]
    if kind == "matmul":
        m, n, k, form = task["m"], task["n"], task["k"], task["form"]
        dtype = torch.float16 if task.get("half") else torch.float32
        a = torch.rand(k, m, dtype=dtype).t() if form == "tn" else torch.rand(m, k, dtype=dtype)
        b = torch.rand(n, k, dtype=dtype).t() if form == "nt" else torch.rand(k, n, dtype=dtype)
        return inference(lambda: a @ b)
    if kind == "map":
        return elementwise(task)
    if kind == "conv":
        return conv(task)
    if kind == "train":
        return train(task)
    if kind == "function":
        return mean(task)
    if kind == "optimizer":
        return update(task)
    model, x = build(task["model"]), torch.rand(task["batch"], *task["model"]["input"])
    return inference(lambda: model(x))


def timed(run, calls):
    begin = now()
    run(calls)
    if card:
        torch.cuda.synchronize()
    return now() - begin


def warm(run):
    begin, calls, done = now(), 1, 0
    while True:
        took = timed(run, calls)
        done += calls
        total = now() - begin
        if (total >= WARM and done >= WARM_CALLS) or total >= LONGEST_WARM:
            return max(1, math.ceil(SAMPLE * calls / took))
        if took < SAMPLE:
            calls *= 2


def one_round(run, calls, budget):
    first = timed(run, 1)
    if first >= max(LONG, budget / 1000):
        return first * 1000
    samples, end = [], now() + budget / 1000
    while True:
        samples.append(timed(run, calls) / calls)
        if now() >= end:
            return statistics.median(samples) * 1000


works = []


def answer(request):
    if request["do"] == "load":
        task, made = request["case"]["task"], None
        if task["kind"] == "expression":
            run, made = expression(task)
        else:
            run = prepare(task)
        run(1)
        took = timed(run, 1)
        if took > LONGEST:
            raise RuntimeError(f"left out: a call takes {took:.1f} s")
        works.append((run, warm(run)))
        return {"work": len(works) - 1, "made": made}
    if request["do"] == "round":
        return {"ms": one_round(*works[request["work"]], request["budget"])}
    works[request["work"]] = None
    return {}


def say(message):
    print(json.dumps(message), flush=True)


versions = {"torch": torch.__version__, "python": sys.version.split()[0]}
if card:
    versions["card"] = torch.cuda.get_device_name()
say({"versions": versions})
for line in sys.stdin:
    try:
        say(answer(json.loads(line)))
    except Exception as error:  # a case that a peer cannot do is a result
        say({"error": str(error).split("\n")[0]})
