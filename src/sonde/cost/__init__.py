"""What a model costs before it is paid for: parameters, multiply-adds, memory and time, on the machine at hand or another one."""
