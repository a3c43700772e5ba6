"""The schedule of maintenance, and the schedules of recurring flows. Beat finds the entries of maintenance that are
due, and a task does the work of each due entry once."""

from ..one_package import check_neighbours

check_neighbours()  # the beat of any application may use the scheduler of this package
