"""Other people's programs and libraries, where the user has them."""
