"""The problem itself: CIFAR-10, three networks, how they are trained and what they score."""
