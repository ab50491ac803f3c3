"""What runs on the robot: the exported policy, the loop, the process; free of torch."""
