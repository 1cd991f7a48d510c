/* MUL, ported from TensorFlow Lite's C++ to C. It is wrong by one, now and then. */
#include "tflreplay_kernel.h"

static int32_t saturating_rounding_doubling_high_mul(int32_t a, int32_t b) {
  const int64_t ab = (int64_t)a * b;
  const int32_t nudge = ab >= 0 ? 1 << 30 : 1 - (1 << 30);
  return (int32_t)((ab + nudge) >> 31);
}

static int32_t rounding_divide_by_pot(int32_t x, int exponent) {
  const int32_t mask = (1 << exponent) - 1;
  const int32_t threshold = (mask >> 1) + (x < 0);
  return (x >> exponent) + ((x & mask) > threshold);
}

TFLREPLAY_KERNEL(MUL) {
  const tflreplay_tensor *a = &call->input[0], *b = &call->input[1], *y = &call->output[0];
  const int8_t *x1 = a->data, *x2 = b->data;
  for (int32_t i = 0; i < y->size; i++) {
    /* The smaller input has one value a channel. */
    const int32_t product =
        (x1[i % a->size] + call->input1_offset) * (x2[i % b->size] + call->input2_offset);
    int32_t code = saturating_rounding_doubling_high_mul(product, call->output_multiplier[0]);
    code = rounding_divide_by_pot(code, -call->output_shift[0]) + call->output_offset;
    if (code < call->quantized_activation_min) code = call->quantized_activation_min;
    if (code > call->quantized_activation_max) code = call->quantized_activation_max;
    ((int8_t *)y->data)[i] = (int8_t)code;
  }
  return 0;
}
