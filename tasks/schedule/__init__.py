"""The schedule of maintenance and of recurring flows. Beat notices due entries, and a task carries out each due
entry once."""

from ..one_package import check_neighbours

check_neighbours()  # any application's beat may name the scheduler of this package
