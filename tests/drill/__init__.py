"""The drill causes each trouble that an operator may meet, and checks that only this trouble is reported."""
