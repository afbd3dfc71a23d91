module deploy

go 1.19
