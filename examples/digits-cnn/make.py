"""Trains a small convolutional net on handwritten digits, exports it to ONNX, and stores PyTorch's answers."""

import sys
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from sklearn.datasets import load_digits
from torch import nn

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER.parent))
from answers import batches, write_answers  # noqa: E402


class DigitsNet(nn.Module):
    """Takes images of 8×8 pixels from 0 to 16, gives one score (a logit) for each digit."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
            nn.Conv2d(8, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
        )
        self.scores = nn.Linear(16 * 2 * 2, 10)

    def forward(self, image):
        return self.scores(self.features(image / 16).flatten(1))


def train(net, images, digits):
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    for _ in range(8):
        for part in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            nn.functional.cross_entropy(net(images[part]), digits[part]).backward()
            optimizer.step()
    net.eval()


torch.manual_seed(1)
torch.set_num_threads(1)
data = load_digits()
images = torch.tensor(data.images, dtype=torch.float32).unsqueeze(1)
digits = torch.tensor(data.target)
net = DigitsNet()
train(net, images[:1500], digits[:1500])
with torch.no_grad():
    right = (net(images[1500:]).argmax(1) == digits[1500:]).float().mean().item()
print(f"{right:.1%} of the digits that it has not seen are right")

torch.onnx.export(
    net, (images[:2],), FOLDER / "digits.onnx", input_names=["image"], output_names=["logits"],
    dynamo=True, dynamic_shapes=({0: torch.export.Dim("batch")},), external_data=False, verbose=False,
)

# The exporter notes on every node which line of which file it comes from; those paths are nobody else's business.
graph = onnx.load(FOLDER / "digits.onnx")
for part in [*graph.graph.node, *graph.graph.value_info, *graph.graph.initializer]:
    kept = [entry for entry in part.metadata_props if not entry.key.endswith("stack_trace")]
    del part.metadata_props[:]
    part.metadata_props.extend(kept)
onnx.save(graph, FOLDER / "digits.onnx")

session = onnxruntime.InferenceSession(FOLDER / "digits.onnx")
cases = []
for batch in batches(images[1500::20].int().tolist()):
    with torch.no_grad():
        logits = net(torch.tensor(batch, dtype=torch.float32)).numpy()
    # Where the export has changed an answer the example would be wrong from the start.
    exported = session.run(None, {"image": np.array(batch, dtype=np.float32)})[0]
    assert np.allclose(exported, logits, rtol=1e-5, atol=1e-5)
    cases.append(("predict", {"data": batch}, logits))
write_answers(FOLDER, ["torch", "onnx", "onnxruntime", "numpy", "scikit-learn"], cases)
