/*
 * A kernel of yours for tflreplay: C99 or C++.
 *
 *   #include "tflreplay_kernel.h"
 *
 *   TFLREPLAY_KERNEL(RELU) {
 *     const int8_t *x = call->input[0].data;
 *     int8_t *y = call->output[0].data;
 *     int32_t zero = call->input[0].zero_point[0];
 *     for (int32_t i = 0; i < call->output[0].size; i++) y[i] = x[i] > zero ? x[i] : (int8_t)zero;
 *     return 0;
 *   }
 *
 *   tflreplay MODEL --kernel port.c
 *
 * It is called once for each layer of its op. It writes to the outputs and returns 0, or a text that
 * says why it cannot compute this layer. Memory that it is handed is its own until it returns.
 */
#ifndef TFLREPLAY_KERNEL_H
#define TFLREPLAY_KERNEL_H

#include <stdint.h>
#include <string.h>

/* Types of tensors. A bool is a byte; int4 and int2 lie in a byte each. */
enum {
  TFLREPLAY_OTHER = 0,
  TFLREPLAY_INT8 = 1,
  TFLREPLAY_UINT8 = 2,
  TFLREPLAY_INT16 = 3,
  TFLREPLAY_UINT16 = 4,
  TFLREPLAY_INT32 = 5,
  TFLREPLAY_UINT32 = 6,
  TFLREPLAY_INT64 = 7,
  TFLREPLAY_UINT64 = 8,
  TFLREPLAY_FLOAT16 = 9,
  TFLREPLAY_FLOAT32 = 10,
  TFLREPLAY_FLOAT64 = 11,
  TFLREPLAY_BOOL = 12
};

typedef struct {
  void *data;          /* row-major: activations NHWC, weights OHWI (depthwise 1HWO); 0: left out */
  int32_t type;        /* TFLREPLAY_INT8, ... */
  int32_t size;        /* elements */
  int32_t rank;
  const int32_t *dims; /* `rank` of them */
  /* real = scale * (code - zero_point): one pair, or one for each index along `axis` */
  int32_t scales;      /* how many; 0: not quantized */
  const float *scale;
  const int32_t *zero_point;
  int32_t axis;
} tflreplay_tensor;

typedef struct {
  const char *name; /* "stride_h", "fused_activation_function", ... as in the schema */
  double value;     /* of a number or a flag */
  const char *text; /* of an enum: "SAME", "RELU6"; 0: it is a number */
} tflreplay_option;

typedef struct {
  const char *op;  /* "CONV_2D" */
  int32_t index;   /* the op's place in the model */
  int32_t inputs, outputs, options;
  /* In the op's order, weights and bias among them; behind the last lies one that is left out. */
  const tflreplay_tensor *input;
  const tflreplay_tensor *output;
  const tflreplay_option *option;

  /*
   * What the engine that you compare with works out in its Prepare, by TFLM's and CMSIS-NN's names.
   * (XNNPACK prepares none of it; there it is what LiteRT's reference kernels prepare.)
   *
   * An OFFSET is what is ADDED to a code: MINUS the zero point of an input or of weights, PLUS that
   * of the output. Per channel, TFLite's weights have none.
   */
  int32_t input_offset, filter_offset;   /* of inputs 0 and 1 */
  int32_t input1_offset, input2_offset;  /* the same two, as ADD, SUB and MUL call them */
  int32_t output_offset;
  int32_t quantized_activation_min, quantized_activation_max;

  /* real multiplier = output_multiplier * 2^(output_shift - 31); a positive shift is to the left.
   * One, or one for each output channel; multipliers == 0: the op has none. */
  int32_t multipliers;
  const int32_t *output_multiplier, *output_shift;
  const double *output_real_multiplier;

  /* ADD, SUB: inputs are shifted left by left_shift, and each has a multiplier of its own. */
  int32_t left_shift;
  int32_t input1_multiplier, input1_shift;
  int32_t input2_multiplier, input2_shift;

  /* Convolutions and pools. pad_h, pad_w: rows above and columns to the left of the input. */
  int32_t filter_h, filter_w, stride_h, stride_w, dilation_h, dilation_w, pad_h, pad_w;
} tflreplay_call;

/* TFLREPLAY_KERNEL(CONV_2D) { ... return 0; } */
#ifdef __cplusplus
#define TFLREPLAY_KERNEL(op) extern "C" const char *tflreplay1_##op(const tflreplay_call *call)
#else
#define TFLREPLAY_KERNEL(op)                              \
  const char *tflreplay1_##op(const tflreplay_call *call); \
  const char *tflreplay1_##op(const tflreplay_call *call)
#endif

/* An option of the operator that has no field above; 0 where it has no such option. */
static inline double tflreplay_option_of(const tflreplay_call *call, const char *name) {
  for (int32_t i = 0; i < call->options; i++)
    if (strcmp(call->option[i].name, name) == 0) return call->option[i].value;
  return 0;
}

#endif
