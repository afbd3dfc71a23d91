# Warnings for all C of this repository. Each of them is an error.
WARNINGS = -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wold-style-definition -Wshadow -Wconversion \
	-Wpointer-arith -Wwrite-strings -Wundef -Wvla
