// Is killed, some time after it has marked a moment.
performance.mark('before')
setTimeout(() => process.kill(process.pid, 'SIGKILL'), 500)
