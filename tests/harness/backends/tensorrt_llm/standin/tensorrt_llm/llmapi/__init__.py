"""Configurations of a build, of the engines of TensorRT."""

import types


class BuildConfig:
    def __init__(
        self,
        max_input_len=1024,
        max_seq_len=None,
        max_batch_size=2048,
        max_beam_width=1,
        max_num_tokens=8192,
        max_encoder_input_len=1,
        kv_cache_type=None,
    ):
        self.__dict__.update({name: value for name, value in locals().items() if name != "self"})
        self.plugin_config = types.SimpleNamespace(gemm_plugin=None, use_paged_context_fmha=False)


class QuantConfig:
    def __init__(self, quant_algo=None, kv_cache_quant_algo=None):
        self.quant_algo, self.kv_cache_quant_algo = quant_algo, kv_cache_quant_algo


class CalibConfig:
    def __init__(self, calib_batches=512):
        self.calib_batches = calib_batches
