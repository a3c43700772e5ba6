"""The drill causes each trouble that an operator may meet, and checks that this trouble is reported, and no other."""
