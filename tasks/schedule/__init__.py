"""The schedule of maintenance and of recurring flows: beat notices what is due, and a task does it once."""

from ..one_package import check_neighbours

check_neighbours()  # any application's beat may name the scheduler of this package
