module zcffi-go

go 1.24
