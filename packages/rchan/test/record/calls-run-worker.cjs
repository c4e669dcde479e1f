const size = (text) => text.length
require('workerpool').worker({ run: size, size })
