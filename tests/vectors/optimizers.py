"""Writes optimizers.json: what PyTorch's optimisers do in 100 steps, in 64 bits.

    python -m venv venv && venv/bin/pip install torch
    venv/bin/python tests/vectors/optimizers.py

`src/learn/vector_tests.rs` compares ours with it, on

- a bowl: the sum of a_i (x_i - t_i)^2, with the gradient written out;
- a net: an embedding of 3 n-grams in 4 columns, pooled by fixed weights, a hidden layer of 5 with
  tanh, one logit; mean binary cross-entropy over 6 records. Every n-gram is in every record, so that
  steps touch every row of the embedding, as PyTorch's dense gradients do.
"""

import json
import pathlib

import torch

torch.set_default_dtype(torch.float64)
STEPS = 100
KEPT = (1, 2, 10, 50, 100)

BOWL = {
    "steepness": [1.0, 10.0, 0.1, 3.0],
    "target": [0.7, -1.2, 3.0, 0.0],
    "start": [0.0, 0.5, 1.0, -2.0],
}


def draw(*shape, seed):
    generator = torch.Generator().manual_seed(seed)
    # Multiples of 1/64, so that 32 bits hold them exactly.
    return torch.randint(-48, 49, shape, generator=generator).double() / 64


PARAMETERS = {
    "embedding.weight": draw(3, 4, seed=1),
    "layers.0.weight": draw(5, 4, seed=2),
    "layers.0.bias": draw(5, seed=3),
    "layers.1.weight": draw(1, 5, seed=4),
    "layers.1.bias": draw(1, seed=5),
}
# Dividing by 8 would leave zeros among the weights; none may be zero.
WEIGHTS = draw(6, 3, seed=6)
WEIGHTS[WEIGHTS == 0] = 0.5
TARGETS = [0, 1, 1, 0, 1, 1]

# Our settings beside PyTorch's.
OPTIMIZERS = [
    ({"type": "sgd", "learning_rate": 0.02, "momentum": 0.0}, torch.optim.SGD, {}),
    ({"type": "sgd", "learning_rate": 0.02, "momentum": 0.9}, torch.optim.SGD, {"momentum": 0.9}),
    (
        {"type": "sgd", "learning_rate": 0.02, "momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
        torch.optim.SGD,
        {"momentum": 0.8, "nesterov": True, "weight_decay": 0.1},
    ),
    # A small epsilon beside weight decay would end in a cycle that differs by rounding alone: near 0,
    # where gradients vanish, a step would overshoot.
    ({"type": "rmsprop", "learning_rate": 0.01}, torch.optim.RMSprop, {}),
    (
        {"type": "rmsprop", "learning_rate": 0.01, "alpha": 0.9, "epsilon": 0.01, "momentum": 0.5,
         "weight_decay": 0.1},
        torch.optim.RMSprop,
        {"alpha": 0.9, "eps": 0.01, "momentum": 0.5, "weight_decay": 0.1},
    ),
    (
        {"type": "rmsprop", "learning_rate": 0.01, "centered": True, "epsilon": 1e-3},
        torch.optim.RMSprop,
        {"centered": True, "eps": 1e-3},
    ),
    ({"type": "adagrad", "learning_rate": 0.1}, torch.optim.Adagrad, {}),
    (
        {"type": "adagrad", "learning_rate": 0.1, "lr_decay": 0.01, "initial_accumulator": 0.1,
         "epsilon": 1e-6, "weight_decay": 0.1},
        torch.optim.Adagrad,
        {"lr_decay": 0.01, "initial_accumulator_value": 0.1, "eps": 1e-6, "weight_decay": 0.1},
    ),
    ({"type": "adam", "learning_rate": 0.01}, torch.optim.Adam, {}),
    (
        {"type": "adamw", "learning_rate": 0.01, "beta1": 0.8, "beta2": 0.99, "epsilon": 1e-6,
         "weight_decay": 0.1},
        torch.optim.AdamW,
        {"betas": (0.8, 0.99), "eps": 1e-6, "weight_decay": 0.1},
    ),
]

# What a training adds to a step, beside the optimiser.
SGD = OPTIMIZERS[1]
ADAM = ({"type": "adam", "learning_rate": 0.005}, torch.optim.Adam, {})
REMEDIES = [
    (SGD, {"clip_norm": 0.05}),
    (SGD, {"clip_value": 0.01}),
    (ADAM, {"clip_norm": 0.05, "clip_value": 0.01}),
    (SGD, {"l1": 0.01}),
    (SGD, {"l2": 0.1}),
    (ADAM, {"l1": 0.001, "l2": 0.01, "clip_norm": 0.1}),
    (SGD, {"accumulate": 4}),
    (SGD, {"ema_decay": 0.9}),
    (ADAM, {"ema_decay": 0.99, "accumulate": 2, "clip_norm": 0.1, "l2": 0.01}),
]


def build(optimizer, parameters):
    ours, kind, theirs = optimizer
    return kind(parameters, lr=ours["learning_rate"], **theirs)


def bowl(optimizer):
    steepness, target = torch.tensor(BOWL["steepness"]), torch.tensor(BOWL["target"])
    x = torch.nn.Parameter(torch.tensor(BOWL["start"]))
    descent = build(optimizer, [x])
    kept = {}
    for step in range(1, STEPS + 1):
        x.grad = 2 * steepness * (x.detach() - target)
        descent.step()
        if step in KEPT:
            kept[step] = x.tolist()
    return {"optimizer": optimizer[0], "after": kept}


def net(optimizer, remedy):
    parameters = {name: torch.nn.Parameter(value.clone()) for name, value in PARAMETERS.items()}
    module = torch.nn.ParameterDict({name.replace(".", "_"): p for name, p in parameters.items()})
    targets = torch.tensor(TARGETS).double()
    descent = build(optimizer, list(parameters.values()))
    batches = remedy.get("accumulate", 1)
    averaged = None
    if "ema_decay" in remedy:
        averaged = torch.optim.swa_utils.AveragedModel(
            module, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(remedy["ema_decay"])
        )
    kept = {}
    for step in range(1, STEPS + 1):
        descent.zero_grad()
        value = 0.0
        # Records in batches of unequal sizes where 4 batches share 6 records; each counts by its size.
        size = -(-len(TARGETS) // batches)
        for at in range(0, len(TARGETS), size):
            w, y = WEIGHTS[at : at + size], targets[at : at + size]
            p = parameters
            h = torch.tanh(w @ p["embedding.weight"] @ p["layers.0.weight"].T + p["layers.0.bias"])
            z = (h @ p["layers.1.weight"].T + p["layers.1.bias"]).squeeze(1)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(z, y)
            (loss * len(y) / len(TARGETS)).backward()
            value += loss.item() * len(y) / len(TARGETS)
        weights = [p for name, p in parameters.items() if name.endswith("weight")]
        penalty = sum(
            remedy.get("l1", 0.0) * p.abs().sum() + remedy.get("l2", 0.0) / 2 * (p * p).sum()
            for p in weights
        )
        penalty.backward()
        norm = torch.sqrt(sum((p.grad * p.grad).sum() for p in parameters.values())).item()
        if "clip_norm" in remedy:
            torch.nn.utils.clip_grad_norm_(parameters.values(), remedy["clip_norm"])
        if "clip_value" in remedy:
            torch.nn.utils.clip_grad_value_(parameters.values(), remedy["clip_value"])
        descent.step()
        if averaged is not None:
            averaged.update_parameters(module)
        if step in KEPT:
            source = parameters if averaged is None else {
                name: averaged.module[name.replace(".", "_")] for name in parameters
            }
            values = {name: source[name].flatten().tolist() for name in parameters}
            kept[step] = {"loss": value, "gradient_norm": norm, "parameters": values}
    return {"optimizer": optimizer[0], "remedy": remedy, "after": kept}


def shortened(value):
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {str(key): shortened(part) for key, part in value.items()}
    if isinstance(value, list):
        return [shortened(part) for part in value]
    return value


vectors = {
    "made_by": f"tests/vectors/optimizers.py with PyTorch {torch.__version__.split('+')[0]}",
    "bowl": {**BOWL, "cases": [bowl(optimizer) for optimizer in OPTIMIZERS]},
    "net": {
        "start": {name: value.flatten().tolist() for name, value in PARAMETERS.items()},
        "weights": WEIGHTS.tolist(),
        "targets": TARGETS,
        "cases": [net(optimizer, {}) for optimizer in OPTIMIZERS]
        + [net(optimizer, remedy) for optimizer, remedy in REMEDIES],
    },
}
path = pathlib.Path(__file__).with_suffix(".json")
path.write_text(json.dumps(shortened(vectors), indent=None, separators=(",", ":")) + "\n")
