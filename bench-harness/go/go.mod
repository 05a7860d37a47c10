module ipcbench

go 1.21
