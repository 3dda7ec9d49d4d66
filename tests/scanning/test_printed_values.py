"""Logs as many programs print them, with the regex that a user would write: what is read, and what the user is told."""

from typing import Any, NamedTuple

import pytest

from metricscan import Scanner

pytestmark = pytest.mark.filterwarnings("ignore::metricscan.DefinitionWarning")
NAN, INF = float("nan"), float("inf")


class Told(NamedTuple):
    """What is read of a log, and what is said about it."""

    rows: list[float]
    near_misses: int = 0
    cut: int = 0
    unparsed: int = 0
    units: tuple[str, ...] = ("",)


FINE: list[tuple[str, str, str, Told]] = [
    (
        "hf trainer 4",
        r"'eval_loss': ([0-9.]+)",
        "{'loss': 0.5, 'learning_rate': 5e-05, 'epoch': 1.0}\n{'eval_loss': 0.2041, 'eval_runtime': 3.21, 'epoch': 1.0}\n",
        Told([0.2041]),
    ),
    (
        "lightning's bar, redrawn",
        r"val_loss=([\d.]+)",
        (
            "Epoch 0:  50%|#####     | 5/10 [00:01<00:01,  4.9it/s, v_num=0, val_loss=0.500]\r"
            "Epoch 0: 100%|##########| 10/10 [00:02<00:00,  5.0it/s, v_num=0, val_loss=0.250]\n"
        ),
        Told([0.5, 0.25]),
    ),
    (
        "keras",
        r"val_loss: ([\d.]+)",
        "Epoch 1/2\n1875/1875 [==============================] - 3s 2ms/step - loss: 0.2 - val_loss: 0.1412\n",
        Told([0.1412]),
    ),
    (
        "keras 3",
        r"loss: ([\d.]+)",
        "\x1b[1m1875/1875\x1b[0m \x1b[32m━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m3s\x1b[0m 2ms/step - accuracy: 0.87 - loss: 0.4212\n",
        Told([0.4212]),
    ),
    (
        "xgboost",
        r"eval-rmse:([\d.]+)",
        "[0]\ttrain-rmse:0.48\teval-rmse:0.51231\n[1]\ttrain-rmse:0.4\teval-rmse:0.5\n",
        Told([0.51231, 0.5]),
    ),
    (
        "xgboost on sagemaker",
        r"validation-rmse:([\d.]+)",
        "[0]#011train-rmse:0.48#011validation-rmse:0.5#011x:1\n",
        Told([0.5]),
    ),
    (
        "lightgbm",
        r"binary_logloss: ([\d.]+)",
        "[10]\tvalid_0's auc: 0.9\tvalid_0's binary_logloss: 0.3123\n",
        Told([0.3123]),
    ),
    (
        "catboost",
        r"test: ([\d.]+)",
        "10:\tlearn: 0.51\ttest: 0.52\tbest: 0.52 (10)\ttotal: 12.3ms\tremaining: 1.2s\n",
        Told([0.52]),
    ),
    (
        "scikit-learn",
        r"Norm: ([\d.]+)",
        "-- Epoch 1\nNorm: 12.34, NNZs: 2, Bias: -0.5, T: 150, Avg. loss: 0.31\n",
        Told([12.34]),
    ),
    (
        "scikit-learn's search",
        r"score=([\d.]+)",
        "[CV 1/5] END ....C=1, gamma=0.1;, score=0.967 total time=   0.0s\n",
        Told([0.967]),
    ),
    (
        "fairseq",
        r"\| loss ([\d.]+)",
        (
            "2024-01-02 03:04:05 | INFO | train_inner | epoch 001:    100 / 1024 loss=9.1, ppl=550\n"
            "2024-01-02 03:04:06 | INFO | valid | epoch 001 | valid on 'valid' subset | loss 4.25 | ppl 19.03\n"
        ),
        Told([4.25]),
    ),
    (
        "fairseq's json",
        r'"valid_loss": "([\d.]+)"',
        '{"epoch": 1, "valid_loss": "4.25", "valid_ppl": "19.03"}\n',
        Told([4.25], units=()),
    ),
    (
        "mmengine",
        r"loss: ([\d.]+)",
        "01/02 03:04:05 - mmengine - INFO - Epoch(train)  [1][ 50/100]  lr: 1.0000e-02  time: 0.4  loss: 0.6931\n",
        Told([0.6931]),
    ),
    (
        "detectron2",
        r"total_loss: ([\d.]+)",
        "[01/02 03:04:05 d2.utils.events]:  eta: 0:10:00  iter: 19  total_loss: 2.301  loss_cls: 0.9  lr: 0.0002\n",
        Told([2.301]),
    ),
    (
        "yolo's table",
        r"^\s+all\s+\d+\s+\d+\s+([\d.]+)",
        "                   all        128        929      0.641      0.537\n",
        Told([0.641]),
    ),
    (
        "stable-baselines3",
        r"ep_rew_mean\s+\|\s+([\d.]+)",
        "|    ep_rew_mean     | 21.5     |\n|    ep_rew_mean     | 199      |\n",
        Told([21.5, 199.0]),
    ),
    (
        "rllib",
        r"episode_reward_mean: ([\d.]+)",
        "  episode_reward_mean: 21.5\n  episode_reward_max: 30.0\n",
        Told([21.5]),
    ),
    ("jax", r"loss: ([\d.]+)", "step: 100, loss: 2.31, accuracy: 0.1\n", Told([2.31])),
    ("caret", r"RMSE\s+([\d.]+)", "Resampling results:\n\n  RMSE       Rsquared   MAE\n RMSE  3.21\n", Told([3.21])),
    ("r's matrix", r"\[1\] ([\d.]+)", "[1] 0.5123\n", Told([0.5123])),
    ("flux", r"loss = ([\d.]+)", "[ Info: epoch 1: loss = 0.25\n", Told([0.25])),
    (
        "c++",
        r"loss: ([\d.]+)",
        "iter 10 loss:    0.5123 acc: 0.9\niter 11 loss: 0.5 acc: 0.9\n",
        Told([0.5], near_misses=1),
    ),
    (
        "matlab's table",
        r"^\|\s+\d+ \|\s+\d+ \|\s+[\d:]+ \|\s+[\d.]+% \|\s+([\d.]+)",
        "|       1 |           1 |       00:00:01 |        9.38% |       2.3026 |          0.0100 |\n",
        Told([2.3026]),
    ),
    ("vw", r"average loss = ([\d.]+)", "average loss = 0.1523\nbest constant = 0.5\n", Told([0.1523])),
    (
        "libsvm",
        r"Cross Validation Accuracy = ([\d.]+)%",
        "Cross Validation Accuracy = 96.6667%\n",
        Told([96.6667], units=()),
    ),
    (
        "mlperf",
        r'"eval_accuracy", "value": ([\d.]+)',
        ':::MLLOG {"key": "eval_accuracy", "value": 0.7591, "metadata": {"epoch": 3}}\n',
        Told([0.7591]),
    ),
    (
        "timm",
        r"Acc@1: +([\d.]+)",
        "Test: [  48/48]  Time: 0.1 (0.2)  Loss:  0.81 (0.84)  Acc@1:  78.91 ( 79.2)\n",
        Told([78.91]),
    ),
    (
        "accelerate",
        r"train_loss=([\d.]+)",
        "epoch 0: train_loss=tensor(0.5123, device='cuda:0')\n",
        Told([], near_misses=1, units=()),
    ),
    ("spark", r"areaUnderROC=([\d.]+)", "areaUnderROC=0.91 at step 1 234 of 5\n", Told([0.91])),
    ("h2o", r"logloss: ([\d.]+)", "MSE: 0.1\nlogloss: 0.21\n", Told([0.21])),
    ("columns", r"^step (\d+)", "step 1 234.5 0.3\nstep 2 120.1 0.2\nstep 3 99.0 0.1\n", Told([1.0, 2.0, 3.0])),
    ("named columns", r"epoch: (\d+)", "epoch: 1 120.3s\nepoch: 2 119.2s loss: 3\n", Told([1.0, 2.0])),
    ("a shape", r"shape \((\d+)", "shape (3, 224)\nshape (64, 112)\n", Told([3.0, 64.0])),
    ("a version", r"torch (\d+)", "torch 2.1.0\ntorch 2.10.123\n", Told([2.0, 2.0])),
    ("fractions", r"(\d+)/100", "batch 7/100\nbatch 8/100\n", Told([7.0, 8.0], units=())),
    ("quotes", r"'acc': '?([\d.]+)", "{'acc': '0.5', 'n': 3}\n{'acc': 0.25}\n", Told([0.5, 0.25])),
]

WRONG: list[tuple[str, str, str, Told]] = [
    (
        "hf trainer 5",
        r"'eval_loss': ([0-9.]+)",
        "{'eval_loss': 0.2041}\n{'eval_loss': '0.2041', 'epoch': '1.0'}\n",
        Told([0.2041], near_misses=1),
    ),
    ("hf's learning rate", r"'learning_rate': ([0-9.]+)", "{'learning_rate': 5e-05}\n", Told([5.0], cut=1, units=())),
    (
        "lightning diverges",
        r"loss=([\d.]+)",
        "Epoch 1: loss=0.5, v_num=1\nEpoch 2: loss=nan.0, v_num=1\n",
        Told([0.5], near_misses=1),
    ),
    (
        "keras diverges",
        r"loss: ([\d.]+)",
        "10/10 - 1s - loss: 0.5 - acc: 0.1\n10/10 - 1s - loss: nan - acc: 0.1\n",
        Told([0.5], near_misses=1),
    ),
    ("keras has an exponent", r" loss: ([\d.]+)", "10/10 - 1s - loss: 9.8e-04\n", Told([9.8], cut=1, units=())),
    (
        "xgboost diverges",
        r"rmse:([\d.]+)",
        "[0]\trmse:0.5\n[1]\trmse:-nan\n[2]\trmse:inf\n",
        Told([0.5], near_misses=2),
    ),
    ("lightgbm is negative", r"ndcg@5: ([\d.]+)", "ndcg@5: 0.5\nndcg@5: -0.5\n", Told([0.5], near_misses=1)),
    ("a sign that is printed as a dash", r"loss:\D+([\d.]+)", "loss: −0.5\n", Told([0.5], cut=1)),
    (
        "fairseq overflows",
        r"\| loss ([\d.]+)",
        "| loss 4.25 | ppl 19\n| loss inf | ppl inf\n",
        Told([4.25], near_misses=1),
    ),
    ("yolo lacks it", r"mAP50: ([\d.]+)", "mAP50: 0.5\nmAP50: None\nmAP50: n/a\n", Told([0.5], near_misses=2)),
    (
        "sb3 is wide",
        r"\| value_loss\s+\| ([\d.]+)",
        "| value_loss         | 0.512        |\n| value_loss         | 1.42e+03     |\n",
        Told([0.512, 1.42], cut=1),
    ),
    (
        "rllib has no episodes",
        r"episode_reward_mean: ([\d.]+)",
        "episode_reward_mean: 21.5\nepisode_reward_mean: .nan\n",
        Told([21.5], unparsed=1),
    ),
    (
        "jax prints the array",
        r"loss=([\d.]+)",
        "loss=0.5\nloss=Array(0.9, dtype=float32)\nloss=[0.9]\n",
        Told([0.5], near_misses=2),
    ),
    (
        "tensorflow prints the tensor",
        r"loss: ([\d.]+)",
        "loss: 0.5\nloss: tf.Tensor(0.9, shape=(), dtype=float32)\nloss: <tf.Tensor: shape=(), dtype=float32, numpy=0.9>\n",
        Told([0.5], near_misses=2),
    ),
    (
        "keras prints the variable",
        r"lr: ([\d.]+)",
        "lr: <Variable path=adam/learning_rate, shape=(), dtype=float32, value=0.001>\n",
        Told([], near_misses=1, units=()),
    ),
    (
        "pytorch prints the tensor",
        r"loss: ([\d.]+)",
        "loss: tensor(0.5, grad_fn=<NllLossBackward0>)\nloss: tensor([[0.5]])\n",
        Told([], near_misses=2, units=()),
    ),
    (
        "numpy 2",
        r"score: .*?([\d.]+)",
        "score: 0.5\nscore: np.float64(0.9)\nscore: tensor(0.9)\n",
        Told([0.5, 0.9], unparsed=1),
    ),
    (
        "a bar with a rate",
        r"([\d.]+)it/s",
        "  1%|  | 5/10 [00:01<00:01, 4.9it/s]\n  1%|  | 5/10 [00:01<00:01, 1.2kit/s]\n",
        Told([4.9], near_misses=1, units=()),
    ),
    (
        "a bar with the inverse",
        r"\[.*, +([\d.]+)",
        "[00:01<00:01, 4.9it/s]\n[00:01<00:01, 1.2s/it]\n",
        Told([4.9, 1.2], units=("it/s", "s/it")),
    ),
    (
        "caret lacks it",
        r"RMSE = ([\d.]+)",
        "RMSE = 3.2\nRMSE = NA\nRMSE = NaN\nRMSE = Inf\n",
        Told([3.2], near_misses=3),
    ),
    (
        "r's p values",
        r"p-value: ([\d.]+)",
        "p-value: 0.04\np-value: < 2.2e-16\np-value: <2e-16\n",
        Told([0.04], near_misses=2),
    ),
    (
        "flux in single precision",
        r"loss = ([\d.]+)",
        "loss = 0.25f0\nloss = 1.2f-5\n",
        Told([0.25, 1.2], cut=1, units=("f",)),
    ),
    (
        "julia lacks it",
        r"loss = ([\d.]+)",
        "loss = 0.5\nloss = NaN32\nloss = missing\nloss = nothing\nloss = Float16(0.5)\n",
        Told([0.5], near_misses=4),
    ),
    (
        "c++ on windows",
        r"loss: (-?[\d.]+)",
        "loss: 0.5\nloss: 1.#INF\nloss: -1.#IND00\nloss: 1.#QNAN\nloss: -nan(ind)\n",
        Told([0.5, 1.0, -1.0, 1.0], near_misses=1, cut=3),
    ),
    ("c++ right-aligns", r"loss=([\d.]+)", "loss= 10.5\nloss=100.5\nloss=  9.5\n", Told([100.5], near_misses=2)),
    ("c++ in hexadecimal", r"loss=([\d.]+)", "loss=0x1.8p-3\n", Told([0.0], cut=1, units=())),
    (
        "matlab's columns",
        r"Loss:\s*([\d.]+)",
        "Loss:   2.3026e+00\nLoss:      NaN\n",
        Told([2.3026], near_misses=1, cut=1, units=()),
    ),
    ("matlab's scale", r"loss =\s+([\d.]+)", "loss = 1.0e+03 *\n", Told([1.0], cut=1, units=())),
    (
        "fortran",
        r"F = ([\d.]+)",
        "F = 0.5D-03\nF = 0.5d+02\nF = ********\n",
        Told([0.5, 0.5], near_misses=1, cut=2, units=()),
    ),
    (
        "german",
        r"Verlust: ([\d.]+)",
        "Verlust: 0,53\nVerlust: 1.234,5\nVerlust: 12.345.678,9\n",
        Told([0.0, 1.234], cut=2, unparsed=1, units=()),
    ),
    (
        "german, points alone",
        r"Verlust: (\d+)",
        "Verlust: 1.234\nVerlust: 1.234.567\n",
        Told([1.0, 1.0], cut=2, units=()),
    ),
    (
        "french",
        r"perte : ([\d.]+)",
        "perte : 0,53\nperte : 1\u202f234,5\nperte : 1\u00a0234,5\nperte : 1 234,5\n",
        Told([0.0, 1.0, 1.0, 1.0], cut=4, units=()),
    ),
    (
        "french per cent",
        r"acc : ([\d.]+)",
        "acc : 0.5\nacc : 50\u00a0%\nacc : 50 %\n",
        Told([0.5, 50.0, 50.0], units=("", "%")),
    ),
    ("swiss", r"loss=(\d+)", "loss=12\nloss=1'234.5\nloss=1’234\n", Told([12.0, 1.0, 1.0], cut=2)),
    (
        "english thousands",
        r"tokens: (\d+)",
        "tokens: 999\ntokens: 1,234\ntokens: 1,234,567\n",
        Told([999.0, 1.0, 1.0], cut=2),
    ),
    ("blanks between thousands", r"tokens: (\d+)", "tokens: 999\ntokens: 1 234 567\n", Told([999.0, 1.0], cut=1)),
    ("underscores", r"tokens: (\d+)", "tokens: 999\ntokens: 1_234\n", Told([999.0, 1.0], cut=1)),
    (
        "thousands as k",
        r"tokens=([\d.]+)",
        "tokens=999\ntokens=1.2k\ntokens=1.2M\n",
        Told([999.0, 1.2, 1.2], units=("", "M", "k")),
    ),
    (
        "times",
        r"took ([\d.]+)",
        "took 1.2s\ntook 900ms\ntook 12µs\n",
        Told([1.2, 900.0, 12.0], units=("ms", "s", "µs")),
    ),
    ("a clock", r"took (\d+)", "took 59\ntook 1:02\n", Told([59.0, 1.0], cut=1)),
    (
        "units where an end is expected",
        r"took ([\d.]+)$",
        "took 1.2\ntook 900ms\n",
        Told([1.2], near_misses=1, units=()),
    ),
    ("per cent", r"acc=([\d.]+)", "acc=0.5\nacc=50%\n", Told([0.5, 50.0], units=("", "%"))),
    ("per cent before a mark", r"acc=([\d.]+),", "acc=0.5,\nacc=50 %,\n", Told([0.5], near_misses=1, units=())),
    (
        "at least",
        r"score=([\d.]+)",
        "score=0.5\nscore=>100\nscore=<0.001\nscore=~0.9\nscore=≥0.9\n",
        Told([0.5], near_misses=4),
    ),
    ("a named value", r"loss: ([\d.]+)", "loss: 0.5\nloss: value=0.9\nloss: avg=0.9\n", Told([0.5], near_misses=2)),
    (
        "json without blanks",
        r'"loss":([\d.]+)',
        '{"loss":0.5}\n{"loss": 0.25}\n{"loss":null}\n{"loss":"0.25"}\n',
        Told([0.5], near_misses=3),
    ),
    (
        "json in json",
        r"loss\\\": ([\d.]+)",
        '{"m": "{\\"loss\\": 0.5}"}\n{"m": "{\\"loss\\": \\"0.5\\"}"}\n',
        Told([0.5], near_misses=1),
    ),
    (
        "colour around the value",
        r"loss: ([\d.]+)",
        "loss: 0.5\nloss: \x1b[31m0.9\x1b[0m\nloss: #033[31m0.9#033[0m\n",
        Told([0.5], near_misses=2),
    ),
    ("markdown", r"loss: ([\d.]+)", "loss: 0.5\nloss: **0.9**\nloss: `0.9`\n", Told([0.5], near_misses=2)),
    ("rust", r"loss: ([\d.]+)", "loss: 0.5\nloss: Some(0.9)\nloss: None\nloss: Ok(0.9)\n", Told([0.5], near_misses=3)),
    ("go", r"loss=([\d.]+)", "loss=0.5\nloss=+Inf\nloss=<nil>\n", Told([0.5], near_misses=2)),
    ("c#", r"loss=([\d.]+)", "loss=0.5\nloss=∞\nloss=-∞\n", Told([0.5], near_misses=2)),
    ("pandas", r"loss\s+([\d.]+)", "loss    0.5\nloss    <NA>\nloss    NaN\n", Told([0.5], near_misses=2)),
    (
        "powers of ten",
        r"loss=([\d.]+)",
        "loss=1.5*10^-5\nloss=1.5x10^-5\nloss=1.5×10⁻⁵\nloss=2*^-5\n",
        Told([1.5, 1.5, 1.5, 2.0], cut=4, units=()),
    ),
    ("an integer regex", r"loss=(\d+)", "loss=12\nloss=0.5\n", Told([12.0, 0.0], cut=1)),
    ("a fraction regex", r"loss=(\d\.\d+)", "loss=0.5\nloss=1\nloss=12.5\nloss=.5\n", Told([0.5], near_misses=3)),
    (
        "a comma, where the regex wants a blank",
        r"loss=([0-9.]+) ",
        "loss=0.5, acc=1\nloss=0.5 \n",
        Told([0.5], units=()),
    ),
    ("digits of which some are counted", r"loss=(\d\.\d{3})", "loss=0.5000001\nloss=0.500\n", Told([0.5, 0.5], cut=1)),
    (
        "a regex that takes any text",
        r"loss=(\S+)",
        "loss=0.5\nloss=0.5,\nloss=nan\nloss=--\nloss=1 234.5\n",
        Told([0.5, NAN, 1.0], cut=1, unparsed=2, units=()),
    ),
    (
        "colour on names, however they are written",
        r"loss\s*[:=]\s*([\d.]+)",
        "loss: 0.5\n\x1b[1mloss\x1b[0m=0.9\n\x1b[1mloss:\x1b[0m 0.9\n\x1b[1mloss\x1b[0m : 0.9\n",
        Told([0.5], near_misses=3),
    ),
    (
        "colour on names in any case",
        r"(?i)loss=([\d.]+)",
        "LOSS=0.5\n\x1b[1mLoss\x1b[0m=0.9\n",
        Told([0.5], near_misses=1),
    ),
    (
        "colour on names of any text",
        r"loss=(\S+)",
        "loss=0.5\n\x1b[1mloss\x1b[0m=0.9\n",
        Told([0.5], near_misses=1, units=()),
    ),
    ("any text behind blanks", r"loss=(\S+)", "loss=0.5\nloss=   0.9\n", Told([0.5], near_misses=1, units=())),
    (
        "the sequence of a colour",
        r"loss\D+([\d.]+)",
        "loss: 0.5\n\x1b[1mloss\x1b[0m: 0.9\nloss: \x1b[1;32m0.9\n",
        Told([0.5, 0.0, 1.0], cut=2, units=("", "m")),
    ),
    (
        "a sign in the place of a blank",
        r"loss= ([\d.]+)",
        "loss= 0.5\nloss=-0.9\nloss= -0.9\nacc=-0.5\n",
        Told([0.5], near_misses=2),
    ),
    (
        "a sign behind a name of any text",
        r"loss: (\S+)",
        "loss: 0.5\nloss:-0.9\n",
        Told([0.5], near_misses=1, units=()),
    ),
    (
        "a blank between thousands, at the end",
        r"tokens: (\d+)",
        "tokens: 1 234\ntokens: 1 234, x\ntokens: 640 640\ntokens: 3 100%\n",
        Told([1.0, 1.0, 640.0, 3.0], cut=2),
    ),
    (
        "lakhs",
        r"loss=([\d.]+)",
        "loss=1,23,456.7\nloss=12,34,567\nloss=1,2,345\nloss=1,23,45\n",
        Told([1.0, 12.0, 1.0, 1.0], cut=2),
    ),
    (
        "two numbers with commas",
        r"loss[=:] ?([\d.]+)",
        "loss=1,234.5 tokens=5,678,901\nloss: 0,2513 - acc: 0,9124\nloss=1,2,3 acc=4\n",
        Told([1.0, 0.0, 1.0], cut=2),
    ),
    (
        "digits and signs of other scripts",
        r"loss: ([0-9.]+)",
        "loss: 0.5\nloss: ０.５\nloss: \u0660.\u0665\nloss: \u20130.5\nloss: \uff0d0.5\n",
        Told([0.5], near_misses=4),
    ),
    (
        "dashes for no value",
        r"acc: ([\d.]+)",
        "acc: 0.5\nacc: -\nacc: --, x\nacc: - 0.5\nacc: ---- x\n",
        Told([0.5], near_misses=3),
    ),
    ("per mille", r"err: ([\d.]+)", "err: 0.5\nerr: 5\u2030\n", Told([0.5, 5.0], units=("", "\u2030"))),
    (
        "powers of ten with blanks",
        r"loss: ([\d.]+)",
        "loss: 1.5 x 10^-5\nloss: 1.5 \u00d7 10\u207b\u2075\nloss: 1.5\u00b710\u207b\u2075\nloss: 3 x 10\n",
        Told([1.5, 1.5, 1.5, 3.0], cut=3),
    ),
    (
        "objects of more frameworks",
        r"loss: ([\d.]+)",
        (
            "loss: 0.5\nloss: cupy.float32(0.9)\nloss: paddle.Tensor(0.9)\nloss: Fraction(1, 2)\n"
            "loss: DTensor(local_tensor=tensor(0.9), device_mesh=x)\nloss: Tensor(shape=[1], dtype=float32, [0.9])\n"
        ),
        Told([0.5], near_misses=5),
    ),
    ("money", r"cost: ([\d.]+)", "cost: 0.5\ncost: \u20ac0.9\ncost: *0.9*\n", Told([0.5], near_misses=2)),
    (
        "counted characters beside others",
        r"é loss=([\d.]{3});",
        "é loss=0.5;\né loss=nan;\n",
        Told([0.5], near_misses=1, units=()),
    ),
]


@pytest.mark.parametrize(("regex", "log", "told"), [pytest.param(*one[1:], id=one[0]) for one in [*FINE, *WRONG]])
def test_what_is_told(regex: str, log: str, told: Told) -> None:
    running = Scanner([{"Name": "m", "Regex": regex}]).watching_batches(log.encode())
    rows: list[Any] = [value for _, batch in running for value in batch.column("value").to_pylist()]
    stats = running.stats.metrics["m"]
    found = Told(rows, stats.near_misses, stats.cut_values, stats.unparsed, tuple(sorted(stats.units)))
    assert str(found) == str(told)
    assert stats.cut_lines == stats.unterminated == 0
