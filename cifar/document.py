"""What the source document reports: each network trained for 15 epochs, then scored on the 10,000 test images."""

from __future__ import annotations

TEST_ACCURACY = {"model1": 0.6305, "model2": 0.7191, "model3": 0.7204}
TEST_LOSS = {"model1": 1.0841, "model2": 0.8600, "model3": 1.1369}
