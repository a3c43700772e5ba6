"""The drill: each trouble that an operator meets is made for real. It is told as what it is, and as nothing else."""
