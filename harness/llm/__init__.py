"""What every engine of language models shares: requests, generation limits, cores, and the runner that feeds them."""
