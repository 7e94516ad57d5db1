"""Image classification by a residual network: resnet50 and its mini."""
