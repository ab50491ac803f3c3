"""From a dataset and what there is beside it to the method to reach for; numpy only."""
