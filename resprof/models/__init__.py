"""Architecture to nn.Module."""
