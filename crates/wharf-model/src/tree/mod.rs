//! Gradient-boosted trees: readers and evaluators, bit for bit what the original library answers.
