module cardea

go 1.19
