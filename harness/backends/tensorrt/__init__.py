"""TensorRT on NVIDIA's GPUs: full TensorRT 8.6 to 11, and TensorRT for RTX 1.x, through one seam."""
