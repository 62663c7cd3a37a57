"""Frozen norms as part of their convolutions compute what they do by themselves, and keep their names."""

import copy
from collections import Counter

import pytest
import torch
import torchvision.models.resnet as resnet
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from detection.frozen import FoldedNorm, fold_norms
from tests.cuda_stand_in import cuda_stand_in


def body(norm: type[nn.Module], depth: int) -> nn.Module:
    made: nn.Module = {18: resnet.resnet18, 50: resnet.resnet50}[depth](weights=None, norm_layer=norm)
    made.fc = nn.Identity()
    return made.double().eval()


def statistics(model: nn.Module) -> None:
    """Give each norm the numbers of a trained one."""
    state = model.state_dict()
    random = torch.Generator().manual_seed(1)
    for name, value in state.items():
        if name.endswith(("running_var", "bn1.weight", "bn2.weight", "bn3.weight", "downsample.1.weight")):
            state[name] = torch.rand(value.shape, generator=random) + 0.5
        elif name.endswith(("running_mean", "bias")):
            state[name] = torch.randn(value.shape, generator=random) / 5
    model.load_state_dict(state)


def pair(depth: int) -> tuple[nn.Module, nn.Module]:
    """The same network with norms of their own, and with folded ones, filled by its state."""
    torch.manual_seed(0)
    plain, folded = body(FrozenBatchNorm2d, depth), body(FoldedNorm, depth)
    statistics(plain)
    fold_norms(folded)
    folded.load_state_dict(plain.state_dict())
    return plain, folded


@pytest.mark.parametrize("depth", [18, 50])
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_outputs_and_gradients_of_separate_norms(depth: int, layout: torch.memory_format) -> None:
    plain, folded = (model.to(memory_format=layout) for model in pair(depth))
    images = torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(2), dtype=torch.float64).to(
        memory_format=layout
    )
    outputs = [model(images) for model in (plain, folded)]
    torch.testing.assert_close(outputs[1], outputs[0], rtol=1e-6, atol=1e-8)
    for output in outputs:
        output.square().mean().backward()
    for own, other in zip(folded.parameters(), plain.parameters(), strict=True):
        assert own.grad is not None and other.grad is not None
        torch.testing.assert_close(own.grad, other.grad, rtol=1e-5, atol=1e-9)


def test_the_state_is_that_of_separate_norms() -> None:
    plain, folded = pair(18)
    assert list(folded.state_dict()) == list(plain.state_dict())
    again = body(FrozenBatchNorm2d, 18)
    again.load_state_dict(folded.state_dict())
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    torch.testing.assert_close(again(images), plain(images))


def test_all_convolutions_have_their_norm() -> None:
    _, folded = pair(50)
    convolutions = [module for module in folded.modules() if isinstance(module, nn.Conv2d)]
    assert all(len(module.norms[0].scale) == module.out_channels for module in convolutions)
    assert len({id(module.norms[0]) for module in convolutions}) == len(convolutions) == 53


def test_a_copy_has_norms_of_its_own() -> None:
    """As the averaged weights do: the copy of a convolution applies the copy of the norm."""
    _, folded = pair(18)
    copied = copy.deepcopy(folded)
    assert copied.conv1.norms[0] is copied.bn1 is not folded.bn1
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    expected = folded(images)
    statistics(folded)
    torch.testing.assert_close(copied(images), expected)


def test_maps_stay_in_half_precision() -> None:
    """Left to themselves the norms' float32 numbers would turn every map into float32."""
    folded = pair(18)[1].float()
    seen = []
    for module in folded.modules():
        if isinstance(module, FoldedNorm):
            module.register_forward_hook(lambda _module, _inputs, output: seen.append(output.dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        folded(torch.randn(1, 3, 64, 64))
    assert set(seen) == {torch.bfloat16} and len(seen) == 20


def test_on_a_gpu_without_gradients_convolutions_of_one_place_are_matrix_products() -> None:
    """33 of 53 in ResNet-50: the first and last of each block of three, and what the first block's own way has."""
    images = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    plain, folded = pair(50)
    expected = plain(images).detach()
    with cuda_stand_in() as device:
        folded = folded.to(torch.device("cuda", 0)).to(memory_format=torch.channels_last)
        given = images.to(torch.device("cuda", 0)).contiguous(memory_format=torch.channels_last)
        counted = {}
        for has_gradient in (False, True):
            device.reset()
            with torch.set_grad_enabled(has_gradient):
                torch.testing.assert_close(folded(given).detach().cpu(), expected, rtol=1e-6, atol=1e-8)
            names = Counter(name for name, _ in device.launches.elements())
            counted[has_gradient] = (names["convolution"], names["addmm"])
    assert counted == {False: (20, 33), True: (53, 0)}


def test_folded_norms_compile_as_one_graph() -> None:
    """Without a C++ compiler: the graph is traced, and computed as it stands."""
    _, folded = pair(18)
    images = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    expected = folded(images)
    folded.compile(backend="aot_eager", fullgraph=True, dynamic=False)
    output = folded(images)
    torch.testing.assert_close(output, expected)
    output.square().mean().backward()
    assert all(own.grad is not None for own in folded.parameters())
