"""Build the int8 models of this folder, and their input, from nothing but pip packages.

    python models/build.py                        the committed files
    python models/build.py mobilenet_v2_int8      one model, by name
    python models/build.py --out /somewhere/else

No trained weights are involved. A network with freshly initialized weights quantizes badly: its
activations die out or explode, and whole layers end up on one int8 code. So every model is
prepared first (`prepare`): random batch normalization parameters, running statistics measured on
photographs, and logits of a realistic spread. What comes out predicts nothing, but uses the int8
range the way a trained model does.
"""

import argparse
import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

# Read once, when TensorFlow is imported. oneDNN picks its kernels by CPU; Eigen's do not change.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "0"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from PIL import Image
from skimage import data
from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

# The best of three tried: img.npy uses every layer's range well and has a clear top-1.
SEED = 20250
BATCH_SIZE = 16
NORMALIZATION_BATCHES = 10
REPRESENTATIVE_IMAGES = 60
LOGIT_STANDARD_DEVIATION = 2.2
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_VARIANCE = (0.229**2, 0.224**2, 0.225**2)


# Photographs


def photographs(count: int, size: int, seed: int) -> np.ndarray:
    """Give varied square views of three free photographs: float32 (count, size, size, 3), 0..255.

    Each is a random crop, perhaps mirrored, with its contrast and brightness changed.
    """
    rng = np.random.default_rng(seed)
    sources = [data.chelsea(), data.coffee(), data.rocket()]
    views = np.empty((count, size, size, 3), np.float32)
    for i in range(count):
        source = sources[i % len(sources)]
        height, width, _ = source.shape
        side = int(min(height, width) * rng.uniform(0.6, 1.0))
        top = rng.integers(height - side + 1)
        left = rng.integers(width - side + 1)
        view = resize(source[top : top + side, left : left + side], size)
        if rng.random() < 0.5:
            view = view[:, ::-1]
        contrast, brightness = rng.uniform(0.9, 1.1), rng.uniform(-15, 15)
        views[i] = np.clip(np.rint((view - 128) * contrast + 128 + brightness), 0, 255)
    return views


def resize(image: np.ndarray, size: int) -> np.ndarray:
    """Resample a uint8 RGB image to (size, size, 3), in float32 whole numbers 0..255."""
    resized = Image.fromarray(image).resize((size, size), Image.Resampling.BICUBIC)
    return np.asarray(resized, np.float32)


def example_image() -> np.ndarray:
    """Give the cup of coffee: float32 (1, 224, 224, 3), 0..255."""
    return resize(data.coffee()[:, 100:500], 224)[np.newaxis]


# Networks: each takes pixels 0..255 and gives logits


def efficientnet_b0() -> keras.Model:
    """EfficientNet-B0; Keras leaves its input normalization unset when it loads no weights."""
    model = keras.applications.EfficientNetB0(weights=None, classifier_activation=None)
    normalization = next(x for x in model.layers if isinstance(x, layers.Normalization))
    normalization.adapt_mean.assign(IMAGENET_MEAN)
    normalization.adapt_variance.assign(IMAGENET_VARIANCE)
    normalization.finalize_state()
    return model


def efficientnet_v2_b0() -> keras.Model:
    """EfficientNetV2-B0: fused blocks next to depthwise ones."""
    return keras.applications.EfficientNetV2B0(weights=None, classifier_activation=None)


def mobilenet_v2() -> keras.Model:
    """MobileNetV2 (relu6 throughout) behind a rescaling to the -1..1 it expects."""
    pixels = keras.Input((224, 224, 3))
    scaled = layers.Rescaling(1 / 127.5, offset=-1.0)(pixels)
    network = keras.applications.MobileNetV2(
        weights=None, classifier_activation=None, input_tensor=scaled
    )
    return keras.Model(pixels, network.output)


def mobilenet_v3_small() -> keras.Model:
    """MobileNetV3-Small: hard-swish, and squeeze-and-excite with a hard sigmoid."""
    return keras.applications.MobileNetV3Small(
        input_shape=(224, 224, 3), weights=None, classifier_activation=None
    )


def seven_ops() -> keras.Model:
    """Build a small network of exactly seven kinds of ops, with awkward shapes on purpose.

    Odd channel counts, strides, SAME padding that is wider on one side, VALID padding, a depth
    multiplier, a dilation, fused relu and relu6, constant and broadcast operands.
    """
    pixels = keras.Input((48, 48, 3))
    x = layers.Normalization(mean=[124, 116, 104], variance=[3400, 3300, 3500])(pixels)
    x = conv(x, "stem", 17, 3, strides=2, padding="valid", activation="relu6")

    shortcut = x
    x = depthwise(x, "residual_depthwise", 3, padding="same", activation="relu6")
    x = squeeze_excite(x, 7)
    x = conv(x, "residual_project", 17, 1)
    x = layers.Add(name="residual_add")([x, shortcut])

    x = depthwise(x, "wide", 5, strides=2, padding="valid", depth_multiplier=2, activation="relu")
    x = conv(x, "expand", 61, 1, activation="relu6")
    x = conv(x, "reduce", 59, 3, strides=2, padding="same", activation="relu")

    near = conv(x, "near", 75, 3, padding="same")
    far = conv(x, "far", 75, 3, padding="same", dilation_rate=2)
    x = layers.Subtract()([near, far])
    x = layers.Activation("relu")(x)

    x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dense(51, activation="relu")(x)
    logits = layers.Dense(10)(x)
    return keras.Model(pixels, logits)


def conv(
    x: keras.KerasTensor,
    name: str,
    filters: int,
    kernel: int,
    activation: str = "linear",
    **spec: Any,
) -> keras.KerasTensor:
    """Apply convolution, batch normalization, activation: one CONV_2D once converted."""
    x = layers.Conv2D(filters, kernel, use_bias=False, name=name, **spec)(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.Activation(activation)(x)


def depthwise(
    x: keras.KerasTensor, name: str, kernel: int, activation: str = "linear", **spec: Any
) -> keras.KerasTensor:
    """Do as `conv` with a depthwise convolution: one DEPTHWISE_CONV_2D once converted."""
    x = layers.DepthwiseConv2D(kernel, use_bias=False, name=name, **spec)(x)
    x = layers.BatchNormalization(name=f"{name}_bn")(x)
    return layers.Activation(activation)(x)


def squeeze_excite(x: keras.KerasTensor, squeezed: int) -> keras.KerasTensor:
    """Multiply each channel by a gate, relu6(v + 3) / 6, computed from the channel means."""
    gate = layers.GlobalAveragePooling2D(keepdims=True)(x)
    gate = layers.Conv2D(squeezed, 1, activation="relu")(gate)
    wide = keras.initializers.RandomNormal(stddev=1.0)
    gate = layers.Conv2D(x.shape[-1], 1, kernel_initializer=wide)(gate)
    gate = layers.Rescaling(1 / 6)(keras.ops.relu6(gate + 3.0))
    return layers.Multiply()([x, gate])


# From a network to an int8 file


def prepare(model: keras.Model, images: np.ndarray) -> None:
    """Give a freshly initialized network activations and logits like those of a trained one."""
    randomize_batch_normalization(model)
    measure_running_statistics(model, images)
    spread_logits(model, images)


def batch_normalizations(model: keras.Model) -> list[layers.BatchNormalization]:
    """List the batch normalization layers of a model."""
    return [x for x in model.layers if isinstance(x, layers.BatchNormalization)]


def randomize_batch_normalization(model: keras.Model) -> None:
    """Draw gamma and beta, so that channels differ in range as they do after training.

    Gamma is halved on the projection in front of a residual add, lest the sum grow block by block.
    """
    rng = np.random.default_rng(SEED)
    names = {layer.name for layer in model.layers}
    for layer in batch_normalizations(model):
        gamma = rng.lognormal(0.0, 0.35, layer.gamma.shape)
        block, is_projection, _ = layer.name.lower().partition("project_bn")
        if is_projection and f"{block}add" in names:
            gamma /= 2
        layer.gamma.assign(gamma)
        layer.beta.assign(rng.normal(0.0, 0.35, layer.beta.shape))


def measure_running_statistics(model: keras.Model, images: np.ndarray) -> None:
    """Set the running mean and variance to their average over batches of images, no dropout."""
    for layer in model.layers:
        if isinstance(layer, layers.Dropout):
            layer.rate = 0.0
    for seen, batch in enumerate(batches(images)):
        for layer in batch_normalizations(model):
            layer.momentum = seen / (seen + 1)
        model(batch, training=True)


def spread_logits(model: keras.Model, images: np.ndarray) -> None:
    """Shift and scale the classifier: mean 0 per class, one standard deviation over all.

    Much smaller logits would make the softmax flat and its int8 output constant; much larger ones
    would leave one class at 1 and the rest at 0.
    """
    logits = np.concatenate([model(batch, training=False) for batch in batches(images)])
    mean = logits.mean(axis=0)
    gain = LOGIT_STANDARD_DEVIATION / (logits - mean).std()
    classifier = next(layer for layer in reversed(model.layers) if layer.weights)
    kernel, bias = classifier.get_weights()
    classifier.set_weights([kernel * gain, (bias - mean) * gain])


def batches(images: np.ndarray) -> Iterator[np.ndarray]:
    """Cut images into consecutive batches."""
    return (images[i : i + BATCH_SIZE] for i in range(0, len(images), BATCH_SIZE))


def quantize(model: keras.Model, representative: np.ndarray) -> bytes:
    """Convert to a fully integer .tflite: int8 input and output, batch 1.

    The variables are frozen to constants first: the converter cannot calibrate a function that
    still holds them.
    """
    spec = tf.TensorSpec((1, *model.input_shape[1:]), tf.float32, name="image")
    function = tf.function(model, autograph=False).get_concrete_function(spec)
    frozen = convert_variables_to_constants_v2(function)
    converter = tf.lite.TFLiteConverter.from_concrete_functions([frozen])
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([image[np.newaxis]] for image in representative)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = tf.int8
    converter.inference_output_type = tf.int8
    return converter.convert()


@dataclass(frozen=True)
class Recipe:
    """How to make one model: the network, and whether a softmax follows its logits."""

    network: Callable[[], keras.Model]
    softmax: bool = True

    def build(self) -> bytes:
        """Make the .tflite file."""
        keras.utils.clear_session()
        keras.utils.set_random_seed(SEED)
        model = self.network()
        size = model.input_shape[1]
        prepare(model, photographs(NORMALIZATION_BATCHES * BATCH_SIZE, size, SEED + 1))
        if self.softmax:
            model = keras.Model(model.input, layers.Softmax(name="softmax")(model.output))
        return quantize(model, photographs(REPRESENTATIVE_IMAGES, size, SEED + 2))


RECIPES = {
    "efficientnet_b0_int8": Recipe(efficientnet_b0),
    "seven_ops_int8": Recipe(seven_ops, softmax=False),
    "mobilenet_v2_int8": Recipe(mobilenet_v2),
    "mobilenet_v3_small_int8": Recipe(mobilenet_v3_small),
    "efficientnet_v2_b0_int8": Recipe(efficientnet_v2_b0),
}
COMMITTED = ["img", "seven_ops_int8", "efficientnet_b0_int8"]


def write(name: str, folder: Path) -> Path:
    """Build the file called `name` into a folder."""
    if name == "img":
        path = folder / "img.npy"
        np.save(path, example_image())
    else:
        path = folder / f"{name}.tflite"
        path.write_bytes(RECIPES[name].build())
    return path


def main() -> None:
    """Build what the command line names and print size and SHA-256 of each file."""
    parser = argparse.ArgumentParser(description="Build the int8 models and their input image.")
    parser.add_argument(
        "names",
        metavar="NAME",
        nargs="*",
        default=COMMITTED,
        help=f"any of: img, {', '.join(RECIPES)} (default: {', '.join(COMMITTED)})",
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=Path(__file__).parent,
        metavar="DIR",
        help="folder to write to (default: the one of this script)",
    )
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - {"img", *RECIPES}:
        parser.error(f"no such model: {', '.join(sorted(unknown))}")

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    tf.config.experimental.enable_op_determinism()
    arguments.out.mkdir(parents=True, exist_ok=True)
    for name in arguments.names:
        path = write(name, arguments.out)
        content = path.read_bytes()
        print(f"{hashlib.sha256(content).hexdigest()}  {len(content):>8}  {path.name}")


if __name__ == "__main__":
    main()
